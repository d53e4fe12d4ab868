//! The truth behind the outcomes: a logistic regression on usage features.

use std::io::Write;
use std::path::Path;

use polars::prelude::DataFrame;
use pql_stats::glm::sigmoid;
use serde::Serialize;

use super::{AGE, HORIZON};
use crate::error::{Error, Result};
use crate::io::write;
use crate::time::TimeSpan;

/// A usage feature that moves the log-odds by `coef` for every `scale` it lies above `center`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    pub(super) feature: &'static str,
    pub(super) coef: f64,
    pub(super) center: f64,
    pub(super) scale: f64,
}

const fn term(feature: &'static str, coef: f64, center: f64, scale: f64) -> Term {
    Term { feature, coef, center, scale }
}

/// What makes accounts convert. Centres and scales are near mean and standard deviation of a log of
/// 100 events per account, and none of the features has a tail that would drown the others.
const TERMS: [Term; 8] = [
    term("active_users_7d", 0.35, 1.0, 1.1),
    term("active_days_7d", 0.3, 1.5, 1.5),
    term("features_used_14d", 0.45, 5.5, 3.0),
    term("feature_entropy_14d", -0.3, 1.4, 0.6),
    term("invites_14d", 0.25, 1.0, 1.5),
    term("limit_hits_14d", 0.25, 0.1, 0.5),
    term("hand_raises_14d", 0.2, 0.02, 0.15),
    term("events_velocity_7d", 0.25, -1.0, 1.3),
];

/// The coefficients of one simulation.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    pub(super) intercept: f64,
    pub(super) terms: Vec<Term>,
}

impl Truth {
    /// Take the coefficients times `signal`, and the intercept at which the mean probability of
    /// these rows is `base_rate`.
    ///
    /// The intercept is rounded to a number that reads well; from then on it is the truth.
    pub(super) fn solve(signal: f64, base_rate: f64, features: &DataFrame) -> Result<Self> {
        /// Halvings of the interval: from 200 to less than the rounding.
        const HALVINGS: usize = 40;
        let terms = TERMS.iter().map(|t| Term { coef: t.coef * signal, ..*t }).collect();
        let without = Self { intercept: 0.0, terms };
        let rest = without.log_odds(features)?;
        let logit = (base_rate / (1.0 - base_rate)).ln();
        let (mut low, mut high) = (-100.0, 100.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            let excess: f64 = rest.iter().map(|eta| sigmoid(middle + eta) - base_rate).sum();
            if excess < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let intercept = if rest.is_empty() || signal == 0.0 { logit } else { 0.5 * (low + high) };
        Ok(Self { intercept: (intercept * 1e3).round() / 1e3, ..without })
    }

    /// The log-odds of every row.
    pub(super) fn log_odds(&self, features: &DataFrame) -> Result<Vec<f64>> {
        let mut eta = vec![self.intercept; features.height()];
        for term in &self.terms {
            let values = features
                .column(term.feature)
                .and_then(|column| column.f64())
                .map_err(|e| Error::table("the true probabilities", e))?;
            for (eta, value) in eta.iter_mut().zip(values.iter()) {
                *eta += term.coef * (value.unwrap_or(f64::NAN) - term.center) / term.scale;
            }
        }
        Ok(eta)
    }

    /// Write the truth as JSON, a line for each account observed.
    pub(super) fn write(&self, path: &Path, accounts: &[u8]) -> Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            feature: &'a str,
            coef: f64,
            center: f64,
            scale: f64,
            coef_raw: f64,
        }
        let intercept_raw =
            self.intercept - self.terms.iter().map(|t| t.coef * t.center / t.scale).sum::<f64>();
        let features = self.terms.iter().map(|t| {
            let line = Line {
                feature: t.feature,
                coef: t.coef,
                center: t.center,
                scale: t.scale,
                coef_raw: t.coef / t.scale,
            };
            format!("    {}", json(&line))
        });
        let features = features.collect::<Vec<_>>().join(",\n");
        let numbers = format!(
            "  \"intercept\": {},\n  \"intercept_raw\": {},\n",
            json(&self.intercept),
            json(&intercept_raw)
        );
        let spans = format!(
            "  \"age\": \"{}\",\n  \"horizon\": \"{}\",\n",
            TimeSpan(AGE),
            TimeSpan(HORIZON)
        );
        let mut bytes =
            format!("{{\n{numbers}  \"features\": [\n{features}\n  ],\n{spans}  \"accounts\": [\n")
                .into_bytes();
        bytes.extend_from_slice(accounts.strip_suffix(b",\n").unwrap_or(accounts));
        bytes.extend_from_slice(b"\n  ]\n}\n");
        write::write_bytes(path, &bytes)
    }
}

/// Append the line of an account to the text that [`Truth::write`] takes.
pub(super) fn write_account(into: &mut Vec<u8>, id: &str, probability: f64) {
    writeln!(into, "    {{\"account_id\":{},\"probability\":{}}},", json(&id), json(&probability))
        .expect("memory takes all bytes");
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and text have a JSON form")
}
