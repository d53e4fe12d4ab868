//! Counts of one window.

/// Counts of one window; before `accumulate`, only of events whose shortest window it is.
#[derive(Clone, Default)]
pub(super) struct WindowCounts {
    pub(super) events: u32,
    pub(super) logins: u32,
    pub(super) login_days: u32,
    pub(super) active_days: u32,
    pub(super) users: u32,
    pub(super) names: u32,
    pub(super) sessions: u32,
    pub(super) invites: u32,
    pub(super) limit_hits: u32,
    pub(super) hand_raises: u32,
    /// Sum of the day numbers of the events; 0 is the newest day.
    pub(super) days: i64,
    pub(super) previous: PreviousCounts,
}

/// Counts of the preceding window.
#[derive(Clone, Default)]
pub(super) struct PreviousCounts {
    pub(super) events: u32,
    pub(super) logins: u32,
    pub(super) users: u32,
    pub(super) names: u32,
}

impl WindowCounts {
    /// Adds the counts of the next shorter window.
    pub(super) fn add(&mut self, shorter: &Self) {
        self.events += shorter.events;
        self.logins += shorter.logins;
        self.login_days += shorter.login_days;
        self.active_days += shorter.active_days;
        self.users += shorter.users;
        self.names += shorter.names;
        self.sessions += shorter.sessions;
        self.invites += shorter.invites;
        self.limit_hits += shorter.limit_hits;
        self.hand_raises += shorter.hand_raises;
        self.days += shorter.days;
    }
}
