//! Reasons as a query: the families that raise and lower the score most, and their sentences.

mod digits;
mod growth;
mod phrases;
mod ranking;
mod sentence;
mod values;

use ranking::{FamilyColumns, family_stage, ranking_stages};

use super::reasons::ReasonTemplates;
use crate::model::Model;
use crate::model::encoder::Preprocessor;
use crate::query::{ColumnNames, Expression, Rows, Select, Stage, Type};

/// Ends of the names of the columns of each reason: those that raise the score, most important
/// first, then the one that lowers it.
const ENDS: [&str; 4] = ["_reason_1", "_reason_2", "_reason_3", "_concern_1"];
/// Stage of the reasons.
const REASONS: &str = "reasons";
/// Index of the reason that lowers the score.
const CONCERN: usize = 3;

/// A reason as columns of the last stage; null without a reason.
#[derive(Debug, Clone)]
pub(crate) struct ReasonColumns {
    /// The sentence.
    pub(crate) text: Expression,
    /// The measure of the feature that it names.
    pub(crate) measure: Expression,
    /// The value of this feature as text.
    pub(crate) value: Expression,
    /// Its typical value as text.
    pub(crate) typical: Expression,
    /// Contribution of the family of the measure to the log-odds.
    pub(crate) contribution: Expression,
}

/// Stages that find the reasons.
#[derive(Debug)]
pub(crate) struct ReasonStages {
    /// The stages; the last one has the kept columns.
    pub(crate) stages: Vec<Stage>,
    /// The three reasons and the concern.
    pub(crate) reasons: [ReasonColumns; 4],
}

/// The features that may explain a score, and the columns of the reasons.
struct ReasonRows<'a> {
    preprocessor: &'a Preprocessor,
    templates: ReasonTemplates,
    /// Features with contributions.
    used: Vec<usize>,
    places: [Place; 4],
}

/// The columns of one reason: their names have a common end.
#[derive(Debug, Clone)]
struct Place {
    end: String,
}

impl Place {
    fn name(&self, start: &str) -> String {
        format!("{start}{}", self.end)
    }

    fn double(&self, stage: &str, start: &str) -> Expression {
        Expression::column(stage, &self.name(start), Type::Double)
    }

    fn integer(&self, stage: &str, start: &str) -> Expression {
        Expression::column(stage, &self.name(start), Type::Integer)
    }

    fn text(&self, stage: &str, start: &str) -> Expression {
        Expression::column(stage, &self.name(start), Type::Text)
    }
}

/// Names a stage and its comment.
fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

/// Returns the position of a feature or family, from 1.
fn position(index: usize) -> Expression {
    Expression::integer(i64::try_from(index + 1).expect("there are few"))
}

/// A stage of scored rows.
#[derive(Debug)]
pub(crate) struct ScoredStage<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Columns that are kept, apart from the features and their contributions.
    pub(crate) columns: Vec<(String, Type)>,
}

/// Writes the stages that find the reasons of each row.
///
/// # Arguments
/// * `scored` – a stage with the features and their contributions
/// * `contributions` – columns of the contributions by feature; `None` if it is always 0
pub(crate) fn reason_stages(
    model: &Model,
    scored: &ScoredStage<'_>,
    contributions: &[Option<String>],
    names: &mut ColumnNames,
) -> ReasonStages {
    let families = FamilyColumns::new(model, contributions, names);
    let places = ENDS.map(|end| Place { end: names.end(end) });
    let templates = ReasonTemplates::new(&model.preprocessor, &model.profile.features);
    let used: Vec<usize> =
        (0..contributions.len()).filter(|index| contributions[*index].is_some()).collect();
    let rows = ReasonRows { preprocessor: &model.preprocessor, templates, used, places };
    let (phrases, notes) = (rows.phrases(), rows.notes());
    let mut stages = vec![family_stage(&families, scored.name)];
    stages.extend(ranking_stages(&families, &rows.places));
    stages.extend(rows.value_stages(&families, &scored.columns, names));
    stages.extend([phrases.clone(), notes.clone()]);
    stages.extend(rows.number_stages(&phrases, &notes));
    stages.push(rows.sentences(&phrases, &notes));
    let reasons = rows.places.each_ref().map(|place| ReasonColumns {
        text: place.text(REASONS, "text"),
        measure: place.text(REASONS, "measure"),
        value: place.text(REASONS, "value_text"),
        typical: place.text(REASONS, "typical_text"),
        contribution: place.double(REASONS, "contribution"),
    });
    ReasonStages { stages, reasons }
}
