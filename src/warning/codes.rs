//! The code of each warning, and how it is shown.

use super::{Unscored, Warning};

impl Warning {
    /// Returns whether the warning describes normal operation, such as accounts whose horizon is
    /// over. It is shown without the word "warning".
    #[must_use]
    pub fn is_expected(&self) -> bool {
        matches!(
            self,
            Self::RowsNotScored {
                reason: Unscored::HorizonOver | Unscored::TooOld | Unscored::TooYoung,
                ..
            } | Self::MissingMarks { .. }
                | Self::NumberFormat { .. }
        )
    }

    /// Returns whether the warning says that input is missing or repeated, so that every result of
    /// it is in doubt. It is shown even by a command that otherwise shows only its summary.
    #[must_use]
    pub fn is_about_lost_input(&self) -> bool {
        matches!(
            self,
            Self::FilesNotRead { .. } | Self::ColumnAbsent { .. } | Self::RepeatedEvents { .. }
        )
    }

    /// Returns the stable code of the warning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRoleEvent { .. } => "unknown-role-event",
            Self::RepeatedEvents { .. } => "repeated-events",
            Self::FilesNotRead { .. } => "files-not-read",
            Self::NoRows { .. } => "no-rows",
            Self::ColumnAbsent { .. } => "column-absent",
            Self::SignedUpBeforeLog { .. } => "signed-up-before-log",
            Self::EventsAfterEnd { .. } => "events-after-end",
            Self::EventsBeforeStart { .. } => "events-before-start",
            Self::UnknownAccountsAtEnd { .. } => "unknown-accounts-at-end",
            Self::ReceivedAtOnce { .. } => "received-at-once",
            Self::TimesMeanNever { .. } => "times-mean-never",
            Self::BackDatedChurn { .. } => "back-dated-churn",
            Self::LogEndsEarly { .. } => "log-ends-early",
            Self::CountedEventsMissing { .. } => "counted-events-missing",
            Self::NoAccountList => "no-account-list",
            Self::UnknownInDefinition { .. } => "unknown-in-definition",
            Self::DefinitionSawTestData { .. } => "definition-saw-test-data",
            Self::FewerEventCounts { .. } => "fewer-event-counts",
            Self::NoTestRows => "no-test-rows",
            Self::TestSetChanged { test_size: Some(_), .. } => "shorter-test-period",
            Self::TestSetChanged { test_size: None, .. } => "cross-validated",
            Self::TestRowsOneClass => "test-rows-one-class",
            Self::UnpenalizedFold => "unpenalized-fold",
            Self::CrossFittingFailed { .. } => "cross-fitting-failed",
            Self::NotCalibrated { .. } => "not-calibrated",
            Self::FewForIsotonic { .. } => "few-for-isotonic",
            Self::FewPerColumn { .. } => "few-per-column",
            Self::AlphaAtEnd { .. } => "alpha-at-end",
            Self::ThresholdNotReached { .. } => "threshold-not-reached",
            Self::SeparatedOutcomes { .. } => "separated-outcomes",
            Self::NoMaximumLikelihood { .. } => "no-maximum-likelihood",
            Self::FewForWaldTests { .. } => "few-for-wald-tests",
            Self::CollinearColumns { .. } => "collinear-columns",
            Self::ConfigDiffers { .. } => "config-differs",
            Self::DefinitionsNeedEvents => "definitions-need-events",
            Self::NoAccountColumn { .. } => "no-account-column",
            Self::NoneScored => "none-scored",
            Self::UnseenLevels { .. } => "unseen-levels",
            Self::NewlyMissing { .. } => "newly-missing",
            Self::RowsNotScored { .. } => "rows-not-scored",
            Self::RowsNotEligible { .. } => "rows-not-eligible",
            Self::RowsNotFinite { .. } => "rows-not-finite",
            Self::NoCutoffs => "no-cutoffs",
            Self::NoCutoffsInComparison => "no-cutoffs-in-comparison",
            Self::TrainingRowsLeftOut { .. } => "training-rows-left-out",
            Self::TrainingRowsKept { .. } => "training-rows-kept",
            Self::OutcomesDiffer { .. } => "outcomes-differ",
            Self::FewToCompare { .. } => "few-to-compare",
            Self::AlertsNotSent { .. } => "alerts-not-sent",
            Self::OtherModel => "other-model",
            Self::ScoresLeftOut { .. } => "scores-left-out",
            Self::NoStoredTestRows => "no-stored-test-rows",
            Self::NoDefinitions => "no-definitions",
            Self::FunnelWithoutAccountList => "funnel-without-account-list",
            Self::SameDayCustomers { .. } => "same-day-customers",
            Self::MoreSignUpsThanVisitors { .. } => "more-sign-ups-than-visitors",
            Self::VisitorDaysMissing { .. } => "visitor-days-missing",
            Self::PoorVerdict { .. } => "poor-verdict",
            Self::MissingMarks { .. } => "missing-marks",
            Self::NumberFormat { .. } => "number-format",
            Self::MixedColumn { .. } => "mixed-column",
            Self::NumbersWithUnit { .. } => "numbers-with-unit",
            Self::LogFault(fault) => fault.code(),
            Self::UnreadableVersion { .. } => "unreadable-version",
            Self::BrokenModel { .. } => "broken-model",
            Self::CausesMissing { .. } => "causes-missing",
            Self::AttributeChanged { .. } => "attribute-changed",
        }
    }
}
