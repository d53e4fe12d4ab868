//! What a model has learned, and why an account has its score: coefficients, contributions, reasons.

use ndarray::ArrayView2;
use serde::Serialize;

use crate::calibrate::Z_95;
use crate::design::{Part, Preprocessor, Way};
use crate::model::Model;

/// A row of `pql inspect`: all per standard deviation but the columns that say raw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficient {
    /// Design column, `intercept` first.
    pub feature: String,
    /// Measure it belongs to; empty for the intercept.
    #[serde(skip)]
    pub measure: String,
    /// Coefficient per standard deviation.
    pub coef: f64,
    /// Its standard error; `None` where a penalty has selected columns.
    pub std_error: Option<f64>,
    /// Wald test of the same columns without penalty.
    pub z: Option<f64>,
    /// Its two-sided p.
    pub p: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
    /// exp(coef).
    pub odds_ratio: f64,
    /// Coefficient per raw unit, where the column is a straight line in the raw value.
    pub coef_raw: Option<f64>,
    /// Its standard error.
    pub std_error_raw: Option<f64>,
    /// exp(`coef_raw`).
    pub odds_ratio_raw: Option<f64>,
    /// Variance inflation factor; `None` for the intercept.
    pub vif: Option<f64>,
    /// Mean of the column over the training rows, before it is standardised.
    pub mean: Option<f64>,
    /// Standard deviation of the column over the training rows.
    pub sd: Option<f64>,
    /// Share of training rows in which its feature is missing.
    pub missing: Option<f64>,
}

/// The coefficients of a model, intercept first, in the order of the design columns.
#[must_use]
pub fn coefficients(model: &Model) -> Vec<Coefficient> {
    let columns = model.preprocessor.columns();
    let std_error = model.fit.std_error();
    let error = |at: usize| std_error.as_ref().map(|errors| errors[at]);
    let tests = model.maximum_likelihood.as_ref();
    let base = |at: usize, feature: String, coef: f64| Coefficient {
        feature,
        measure: String::new(),
        coef,
        std_error: error(at),
        z: tests.map(|t| t.z[at]),
        p: tests.map(|t| t.p[at]),
        low: error(at).map(|error| coef - Z_95 * error),
        high: error(at).map(|error| coef + Z_95 * error),
        odds_ratio: coef.exp(),
        coef_raw: None,
        std_error_raw: None,
        odds_ratio_raw: None,
        vif: None,
        mean: None,
        sd: None,
        missing: None,
    };
    let mut intercept = base(0, "intercept".to_owned(), model.fit.intercept);
    if let Some((raw, error)) = raw_intercept(model) {
        intercept.coef_raw = Some(raw);
        intercept.std_error_raw = error;
        intercept.odds_ratio_raw = Some(raw.exp());
    }
    let mut rows = vec![intercept];
    for (at, column) in columns.iter().enumerate() {
        let prepared = &model.preprocessor.features[column.feature];
        let coef = model.fit.coef[at];
        let raw = linear(&prepared.way, column.part).then(|| coef / column.scale.sd);
        rows.push(Coefficient {
            measure: prepared.measure.clone(),
            coef_raw: raw,
            std_error_raw: raw.and(error(at + 1)).map(|error| error / column.scale.sd),
            odds_ratio_raw: raw.map(f64::exp),
            vif: Some(model.vif[at]).filter(|v| v.is_finite()),
            mean: Some(column.scale.mean),
            sd: Some(column.scale.sd),
            missing: Some(prepared.missing_share),
            ..base(at + 1, column.name.clone(), coef)
        });
    }
    rows
}

/// Whether a design column is a straight line in its raw value.
fn linear(way: &Way, part: Part<'_>) -> bool {
    match (way, part) {
        (Way::Number(number), Part::Value) => number.linear(),
        _ => true,
    }
}

/// β₀ − Σ βⱼ·meanⱼ/sdⱼ and its standard error, where all columns are straight lines.
fn raw_intercept(model: &Model) -> Option<(f64, Option<f64>)> {
    let columns = model.preprocessor.columns();
    let all = columns.iter().all(|c| linear(&model.preprocessor.features[c.feature].way, c.part));
    if !all {
        return None;
    }
    let weights: Vec<f64> = std::iter::once(1.0).chain(columns.iter().map(|c| -c.scale.mean / c.scale.sd)).collect();
    let coef = std::iter::once(&model.fit.intercept).chain(&model.fit.coef);
    let raw = weights.iter().zip(coef).map(|(w, c)| w * c).sum();
    let k = weights.len();
    let variance = |v: &Vec<f64>| (0..k * k).map(|at| weights[at / k] * v[at] * weights[at % k]).sum::<f64>();
    Some((raw, model.fit.covariance.as_ref().map(|v| variance(v).max(0.0).sqrt())))
}

/// A raw value of a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// A number; `None` where missing.
    Number(Option<f64>),
    /// A text; `None` where missing.
    Text(Option<String>),
}

/// Which design columns make up a measure, for contributions.
#[derive(Debug, Clone)]
pub struct Measures {
    /// Names, in the order of their first column.
    pub names: Vec<String>,
    /// Measure of each design column.
    of_column: Vec<usize>,
    /// Feature of each design column.
    feature: Vec<usize>,
}

impl Measures {
    /// Group the design columns by measure.
    #[must_use]
    pub fn of(preprocessor: &Preprocessor) -> Self {
        let columns = preprocessor.columns();
        let mut names: Vec<String> = Vec::new();
        let of = |feature: usize| {
            let measure = &preprocessor.features[feature].measure;
            names.iter().position(|n| n == measure).unwrap_or_else(|| {
                names.push(measure.clone());
                names.len() - 1
            })
        };
        let of_column = columns.iter().map(|c| c.feature).map(of).collect();
        Self { names, of_column, feature: columns.iter().map(|c| c.feature).collect() }
    }

    /// Sum the contributions `coefⱼ·xⱼ` of a row by measure; Σ + intercept = log-odds.
    pub fn contributions(&self, coef: &[f64], x: impl Iterator<Item = f64>, into: &mut Vec<f64>) {
        into.clear();
        into.resize(self.names.len(), 0.0);
        for ((measure, coef), x) in self.of_column.iter().zip(coef).zip(x) {
            into[*measure] += coef * x;
        }
    }

    /// Sum the contributions of a row over the columns in which `keep` holds for (measure, feature).
    fn feature_contributions(&self, measure: usize, coef: &[f64], x: &[f64]) -> Vec<(usize, f64)> {
        let mut sums: Vec<(usize, f64)> = Vec::new();
        for (at, _) in self.of_column.iter().enumerate().filter(|(_, m)| **m == measure) {
            match sums.iter_mut().find(|(feature, _)| *feature == self.feature[at]) {
                Some((_, sum)) => *sum += coef[at] * x[at],
                None => sums.push((self.feature[at], coef[at] * x[at])),
            }
        }
        sums
    }

    /// The feature of a measure that contributes most to a row: the one whose value a reason names.
    #[must_use]
    pub fn heaviest(&self, measure: usize, coef: &[f64], x: &[f64]) -> usize {
        let sums = self.feature_contributions(measure, coef, x);
        let heaviest = sums.iter().rev().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        heaviest.expect("a measure has a column").0
    }
}

/// Standard deviation of each measure's joint contribution over the rows of a design, largest first.
///
/// # Arguments
/// * `x` – standardised design, shape (n, p): its columns are centred, so that the mean square of a contribution is its variance
#[must_use]
pub fn importance(preprocessor: &Preprocessor, coef: &[f64], x: ArrayView2<'_, f64>) -> Vec<(String, f64)> {
    let measures = Measures::of(preprocessor);
    let (mut sums, mut squares) = (Vec::new(), vec![0.0; measures.names.len()]);
    for row in x.rows() {
        measures.contributions(coef, row.iter().copied(), &mut sums);
        squares.iter_mut().zip(&sums).for_each(|(q, s)| *q += s * s);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let n = x.nrows() as f64;
    let mut importance: Vec<(String, f64)> = measures.names.into_iter().zip(squares.iter().map(|q| (q / n).sqrt())).collect();
    importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    importance
}

/// Put a reason in words: the value, the typical one and the contribution to the log-odds.
#[must_use]
pub fn reason(preprocessor: &Preprocessor, feature: usize, value: &Raw, contribution: f64) -> String {
    let prepared = &preprocessor.features[feature];
    let phrase = phrase(&prepared.measure, prepared.window);
    let stated = match (&prepared.way, value) {
        (Way::Number(number), Raw::Number(value)) => {
            let typical = short(number.typical);
            match (&phrase, value) {
                (Phrase::After(words), Some(value)) => format!("{} {words}, typical {typical}", short(*value)),
                (Phrase::Before(words), Some(value)) => format!("{words} {}, typical {typical}", short(*value)),
                (Phrase::After(words) | Phrase::Before(words), None) => {
                    format!("{}: none known, typical {typical}", words.trim_end_matches([':', '=', ' ']))
                }
            }
        }
        (Way::Text(text), Raw::Text(value)) => {
            format!("{} = {}, typical {}", prepared.feature, value.as_deref().unwrap_or("missing"), text.typical)
        }
        _ => prepared.feature.clone(),
    };
    format!("{stated}: {contribution:+.2}")
}

/// A number as a person would say it.
fn short(x: f64) -> String {
    if !x.is_finite() {
        return "unknown".to_owned();
    }
    if x.abs() >= 1e9 || (x != 0.0 && x.abs() < 0.005) {
        return format!("{x:.1e}");
    }
    let rounded = if x.abs() >= 100.0 {
        format!("{x:.0}")
    } else if x.abs() >= 10.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.2}")
    };
    if rounded.contains('.') { rounded.trim_end_matches('0').trim_end_matches('.').to_owned() } else { rounded }
}

/// Words for a measure, standing after or before its value.
enum Phrase {
    After(String),
    Before(String),
}

fn phrase(measure: &str, window: Option<u32>) -> Phrase {
    let span = window.map_or(String::new(), |w| format!(" in the last {w} days"));
    let after = |words: &str| Phrase::After(format!("{words}{span}"));
    let before = |words: &str| Phrase::Before(format!("{words}{span}:"));
    if window.is_none() {
        return match measure {
            "tenure_days" => after("days since sign-up"),
            "events_total" => after("events so far"),
            "active_users_total" => after("users so far"),
            "features_used_total" => after("features used so far"),
            "days_since_last_event" => after("days since the last event"),
            "days_since_last_login" => after("days since the last login"),
            "days_to_first_value" => after("days from sign-up to the first core action"),
            other => Phrase::Before(format!("{other} =")),
        };
    }
    match measure {
        "events" | "logins" | "sessions" | "invites" => after(measure),
        "login_days" => after("days with a login"),
        "active_days" => after("active days"),
        "active_users" => after("active users"),
        "features_used" => after("features used"),
        "limit_hits" => after("hits of a plan limit"),
        "hand_raises" => after("requests for sales"),
        "feature_entropy" => before("spread of use over features"),
        "top_user_share" => before("share of the busiest user"),
        "events_velocity" => before("growth of events"),
        "logins_velocity" => before("growth of logins"),
        "users_velocity" => before("growth of active users"),
        "breadth_velocity" => before("growth of features used"),
        "events_trend" => before("daily trend of events"),
        "seat_utilization" => before("share of seats in use"),
        other => match (other.strip_prefix("count_"), other.strip_prefix("sum_")) {
            (Some(event), _) => after(&format!("× {event}")),
            (_, Some(value)) => before(&format!("sum of {value}")),
            _ => before(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::{Number, Prepared, Scale};

    fn preprocessor() -> Preprocessor {
        let number =
            |typical| Number { log1p: false, bounds: None, fill: 0.0, value: Some(Scale { mean: 0.0, sd: 1.0 }), missing: None, typical };
        let prepared = |feature: &str, measure: &str, window, typical| Prepared {
            feature: feature.to_owned(),
            measure: measure.to_owned(),
            window,
            way: Way::Number(number(typical)),
            missing_share: 0.0,
        };
        Preprocessor {
            features: vec![
                prepared("active_users_28d", "active_users", Some(28), 4.0),
                prepared("size", "size", None, 10.0),
                prepared("active_users_7d", "active_users", Some(7), 2.0),
            ],
        }
    }

    #[test]
    fn windows_of_a_measure_are_added_up_and_the_heaviest_is_named() {
        let p = preprocessor();
        let measures = Measures::of(&p);
        assert_eq!(measures.names, ["active_users", "size"]);
        let (coef, x) = ([0.5, 1.0, 2.0], [1.0, -1.0, 1.0]);
        let mut sums = Vec::new();
        measures.contributions(&coef, x.into_iter(), &mut sums);
        assert_eq!(sums, [2.5, -1.0]);
        assert_eq!(measures.heaviest(0, &coef, &x), 2);
    }

    #[test]
    fn a_reason_reads_like_a_sentence() {
        let p = preprocessor();
        let say = |feature, value| reason(&p, feature, &Raw::Number(value), 0.904);
        assert_eq!(say(2, Some(12.0)), "12 active users in the last 7 days, typical 2: +0.90");
        assert_eq!(say(1, Some(12.5)), "size = 12.5, typical 10: +0.90");
        assert_eq!(say(0, None), "active users in the last 28 days: none known, typical 4: +0.90");
    }
}
