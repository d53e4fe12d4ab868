//! The product that is used in the simulated log, and who uses it. The numbers are choices: what a
//! small team tool looks like.

/// What a user does, in byte order of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Action {
    ApiCalled,
    AutomationCreated,
    CommentAdded,
    ContactSales,
    DashboardViewed,
    DataImported,
    FileShared,
    IntegrationConnected,
    InviteSent,
    InvoicePaid,
    LimitReached,
    Login,
    ProjectCreated,
    ReportExported,
    SearchUsed,
    TaskCompleted,
    TemplateUsed,
}

/// Event names by [`Action`], sorted by bytes, so that an action is a code of a log.
pub(super) const NAMES: [&str; 17] = [
    "api_called",
    "automation_created",
    "comment_added",
    "contact_sales",
    "dashboard_viewed",
    "data_imported",
    "file_shared",
    "integration_connected",
    "invite_sent",
    "invoice_paid",
    "limit_reached",
    "login",
    "project_created",
    "report_exported",
    "search_used",
    "task_completed",
    "template_used",
];

/// A part of the product that a team takes up some time after it signed up.
pub(super) struct Part {
    pub(super) action: Action,
    /// How often it is used by those who have taken it up.
    pub(super) weight: f64,
    /// Mean days until a team of usual curiosity takes it up.
    pub(super) adopted_after: f64,
    /// Mean minutes spent each time; 0 where nothing is measured.
    pub(super) minutes: f64,
}

const fn part(action: Action, weight: f64, adopted_after: f64, minutes: f64) -> Part {
    Part { action, weight, adopted_after, minutes }
}

/// The parts, of which every team has some from the start.
pub(super) const PARTS: [Part; 12] = [
    part(Action::ProjectCreated, 1.0, 0.0, 0.0),
    part(Action::TaskCompleted, 6.0, 1.5, 4.0),
    part(Action::SearchUsed, 1.5, 2.0, 0.0),
    part(Action::CommentAdded, 3.0, 5.0, 0.0),
    part(Action::DashboardViewed, 3.0, 0.0, 3.0),
    part(Action::FileShared, 2.0, 8.0, 0.0),
    part(Action::TemplateUsed, 0.7, 10.0, 0.0),
    part(Action::DataImported, 0.5, 14.0, 6.0),
    part(Action::ReportExported, 1.2, 18.0, 2.0),
    part(Action::IntegrationConnected, 0.4, 30.0, 0.0),
    part(Action::AutomationCreated, 0.6, 40.0, 0.0),
    part(Action::ApiCalled, 4.0, 80.0, 0.0),
];

/// Industries with their shares.
pub(super) const INDUSTRIES: [(&str, f64); 5] = [
    ("software", 0.34),
    ("agency", 0.24),
    ("retail", 0.18),
    ("education", 0.14),
    ("healthcare", 0.1),
];

/// A country with its share of the accounts and its hours ahead of UTC.
pub(super) struct Country {
    pub(super) name: &'static str,
    pub(super) share: f64,
    pub(super) hours: i64,
}

const fn country(name: &'static str, share: f64, hours: i64) -> Country {
    Country { name, share, hours }
}

/// Countries.
pub(super) const COUNTRIES: [Country; 6] = [
    country("US", 0.42, -6),
    country("GB", 0.17, 0),
    country("DE", 0.14, 1),
    country("IN", 0.12, 5),
    country("BR", 0.09, -3),
    country("AU", 0.06, 10),
];

/// Use of a weekday relative to a Tuesday, Monday first.
pub(super) const WEEKDAYS: [f64; 7] = [0.95, 1.0, 1.0, 0.95, 0.8, 0.15, 0.1];
