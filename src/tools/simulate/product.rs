//! The simulated product, a small team tool, and its users. The numbers are plausible choices, not
//! estimates.

/// Action of a user, in byte order of the names.
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

/// Event names by [`Action`]. They are sorted by bytes, so that an action equals its code in a log.
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

/// A feature of the product, adopted some time after sign-up.
pub(super) struct ProductFeature {
    pub(super) action: Action,
    /// Relative frequency of use after adoption.
    pub(super) weight: f64,
    /// Mean days until adoption by a typical team.
    pub(super) adopted_after: f64,
    /// Mean minutes per use; 0: not recorded.
    pub(super) minutes: f64,
}

const fn feature(action: Action, weight: f64, adopted_after: f64, minutes: f64) -> ProductFeature {
    ProductFeature { action, weight, adopted_after, minutes }
}

/// Features of the product. Every team has some of them from the start.
pub(super) const PRODUCT_FEATURES: [ProductFeature; 12] = [
    feature(Action::ProjectCreated, 1.0, 0.0, 0.0),
    feature(Action::TaskCompleted, 6.0, 1.5, 4.0),
    feature(Action::SearchUsed, 1.5, 2.0, 0.0),
    feature(Action::CommentAdded, 3.0, 5.0, 0.0),
    feature(Action::DashboardViewed, 3.0, 0.0, 3.0),
    feature(Action::FileShared, 2.0, 8.0, 0.0),
    feature(Action::TemplateUsed, 0.7, 10.0, 0.0),
    feature(Action::DataImported, 0.5, 14.0, 6.0),
    feature(Action::ReportExported, 1.2, 18.0, 2.0),
    feature(Action::IntegrationConnected, 0.4, 30.0, 0.0),
    feature(Action::AutomationCreated, 0.6, 40.0, 0.0),
    feature(Action::ApiCalled, 4.0, 80.0, 0.0),
];

/// Industries with their shares.
pub(super) const INDUSTRIES: [(&str, f64); 5] = [
    ("software", 0.34),
    ("agency", 0.24),
    ("retail", 0.18),
    ("education", 0.14),
    ("healthcare", 0.1),
];

/// A country with its share of accounts and its UTC offset in hours.
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

/// Usage by weekday relative to Tuesday, Monday first.
pub(super) const WEEKDAYS: [f64; 7] = [0.95, 1.0, 1.0, 0.95, 0.8, 0.15, 0.1];
