//! One self-contained page about a model: no script, nothing fetched, readable on paper and on a telephone.
//!
//! It computes nothing anew: what it shows comes from the model, from its card and from the test rows beside it.

mod accounts;
mod answer;
mod chart;
mod contacts;
mod correlation;
mod cutoffs;
mod data;
mod effects;
mod funnel;
mod head;
mod html;
mod made;
mod mirror;
mod penalty;
mod performance;
mod ranking;
mod reliability;
mod versus;
mod watched;
mod weights;
mod words;

use crate::card::Beside;
use crate::config::Config;
use crate::error::Result;
use crate::evaluate::{FromTop, from_top};
use crate::evidence::TestRows;
use crate::funnel::Funnel;
use crate::model::Model;
use html::Html;
pub use versus::Versus;
pub use watched::Watched;

const TEMPLATE: &str = include_str!("template.html");
const STYLE: &str = include_str!("style.css");

/// What a page is about.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The model.
    pub model: &'a Model,
    /// What it is called.
    pub label: &'a str,
    /// What its card knows besides; `None` where there is no card.
    pub beside: Option<&'a Beside>,
    /// The test rows; `None` where they were not stored.
    pub rows: Option<&'a TestRows>,
    /// What PQL definitions find; `None` without definitions or a log.
    pub funnel: Option<&'a Funnel>,
    /// Whether accounts are numbered instead of named.
    pub mask: bool,
}

/// What the parts of the page see.
struct Seen<'a> {
    report: Report<'a>,
    model: &'a Model,
    config: Config,
    /// What the test rows hold from the top; empty without them.
    points: Vec<FromTop>,
}

impl Seen<'_> {
    /// What a row of the test set is: an account, or an account at a cutoff.
    fn unit(&self) -> &'static str {
        let judged = self.model.judgement.as_ref().map(|judgement| &judgement.evaluation);
        if judged.is_none_or(|e| e.accounts == e.n) { "account" } else { "row" }
    }
}

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the configuration in the model cannot be read
    /// * [`Error::Unsuitable`](crate::Error::Unsuitable): the test rows do not fit the model
    pub fn html(&self) -> Result<String> {
        let points = self.rows.map_or_else(Vec::new, |rows| from_top(&rows.y, &rows.probability));
        let seen = Seen { report: *self, model: self.model, config: self.model.config()?, points };
        let mut body = Html::default();
        answer::answer(&seen, &mut body);
        data::data(&seen, &mut body);
        performance::performance(&seen, &mut body);
        cutoffs::cutoffs(&seen, &mut body);
        weights::weights(&seen, &mut body)?;
        accounts::accounts(&seen, &mut body)?;
        funnel::funnel(&seen, &mut body);
        made::made(&seen, &mut body);
        Ok(page(&format!("pql report: {}", self.label), body))
    }
}

/// A whole page with this title.
fn page(title: &str, body: Html) -> String {
    let mut head = Html::default();
    head.text(title);
    filled(&[STYLE, &head.into_string(), &body.into_string()])
}

/// The template with its gaps filled, in their order; what is filled in is not looked at again.
fn filled(parts: &[&str]) -> String {
    let mut pieces = TEMPLATE.split("{}");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for (part, piece) in parts.iter().zip(pieces) {
        page += part;
        page += piece;
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_a_gap_for_each_part() {
        assert_eq!(filled(&["{}a", "b{}", "c"]).matches("{}").count(), 2);
        assert_eq!(TEMPLATE.matches("{}").count(), 3);
    }
}
