//! The true model behind the outcomes: a logistic regression on usage features.

use std::io::Write;

use polars::prelude::DataFrame;
use pql_stats::glm::sigmoid;
use serde::Serialize;

use super::{AGE, HORIZON};
use crate::error::{Error, Result};
use crate::io::write::{OutputFile, write_bytes};
use crate::time::TimeSpan;

/// A term of the true model: `coef · (feature − center) / scale`, in log-odds.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrueTerm {
    pub(super) feature: &'static str,
    pub(super) coef: f64,
    pub(super) center: f64,
    pub(super) scale: f64,
}

const fn term(feature: &'static str, coef: f64, center: f64, scale: f64) -> TrueTerm {
    TrueTerm { feature, coef, center, scale }
}

/// Terms of the true model. Centers and scales are close to the means and standard deviations in a
/// log of 100 events per account. No feature has a long tail that would dominate the others.
const TERMS: [TrueTerm; 8] = [
    term("active_users_7d", 0.42, 1.0, 1.1),
    term("active_days_7d", 0.36, 1.5, 1.5),
    term("features_used_14d", 0.54, 5.5, 3.0),
    term("feature_entropy_14d", -0.36, 1.4, 0.6),
    term("invites_14d", 0.3, 1.0, 1.5),
    term("limit_hits_14d", 0.3, 0.1, 0.5),
    term("hand_raises_14d", 0.24, 0.02, 0.15),
    term("events_velocity_7d", 0.3, -1.0, 1.3),
];

/// Coefficients of one simulation.
#[derive(Debug, Clone)]
pub(super) struct TrueModel {
    pub(super) intercept: f64,
    pub(super) terms: Vec<TrueTerm>,
}

impl TrueModel {
    /// Multiplies the coefficients by `signal` and solves for the intercept at which the mean
    /// probability of the rows is `base_rate`.
    ///
    /// The intercept is rounded to three digits, and the rounded number is the true one.
    pub(super) fn solve(signal: f64, base_rate: f64, features: &DataFrame) -> Result<Self> {
        /// Number of bisections: from 200 to less than the rounding.
        const BISECTIONS: usize = 40;
        let terms = TERMS.iter().map(|t| TrueTerm { coef: t.coef * signal, ..*t }).collect();
        let centered = Self { intercept: 0.0, terms };
        let log_odds = centered.log_odds(features)?;
        let logit = (base_rate / (1.0 - base_rate)).ln();
        let (mut low, mut high) = (-100.0, 100.0);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            let excess: f64 = log_odds.iter().map(|eta| sigmoid(middle + eta) - base_rate).sum();
            if excess < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let intercept =
            if log_odds.is_empty() || signal == 0.0 { logit } else { 0.5 * (low + high) };
        Ok(Self { intercept: (intercept * 1e3).round() / 1e3, ..centered })
    }

    /// Computes the log-odds of each row.
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

    /// Writes the true model as JSON, with one line per observed account.
    pub(super) fn write(&self, output: &OutputFile, accounts: &[u8]) -> Result<()> {
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
        write_bytes(output, &bytes)
    }
}

/// Appends the line of an account for [`TrueModel::write`].
pub(super) fn write_account(into: &mut Vec<u8>, id: &str, probability: f64) {
    writeln!(into, "    {{\"account_id\":{},\"probability\":{}}},", json(&id), json(&probability))
        .expect("writing to memory succeeds");
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and strings serialize to JSON")
}
