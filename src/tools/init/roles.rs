//! Roles of event types, guessed from their names.

use super::words::{any, only, split};
use crate::config::Roles;
use crate::names::backticked;

const LOGIN: [&str; 12] = [
    "login*",
    "log_in",
    "logs_in",
    "logged_in",
    "logon",
    "signin*",
    "sign_in",
    "signs_in",
    "signed_in",
    "session_start*",
    "app_open*",
    "open*_app",
];
const INVITE: [&str; 10] = [
    "invit*",
    "member* add*",
    "teammate*",
    "collaborator* add*",
    "add*_user*",
    "user*_add*",
    "seat* add*",
    "team* join*",
    "member* join*",
    "colleague*",
];
const LIMIT: [&str; 9] = [
    "limit* reach*",
    "limit* hit",
    "hit limit*",
    "limit* exceed*",
    "limit* warn*",
    "quota*",
    "paywall*",
    "over limit*",
    "limit_block*",
];
const HAND_RAISE: [&str; 9] = [
    "contact* sales",
    "talk* sales",
    "sales call*",
    "sales request*",
    "demo* request*",
    "book* demo*",
    "schedul* demo*",
    "quote* request*",
    "pricing_request*",
];
const CANCEL: [&str; 12] = [
    "cancel*",
    "subscri*",
    "account*",
    "plan*",
    "member*",
    "confirm*",
    "user*",
    "customer*",
    "workspace*",
    "service*",
    "request*",
    "complet*",
];
const CHURNED: [&str; 9] = [
    "churn*",
    "account* delet*",
    "delet* account*",
    "account* clos*",
    "clos* account*",
    "account* deactivat*",
    "subscription* end*",
    "subscription* expir*",
    "subscription* delet*",
];
const CONVERTED: [&str; 18] = [
    "clos* won",
    "deal* won",
    "submit* upgrade*",
    "upgraded",
    "upgrade* complet*",
    "upgrade* success*",
    "subscription* start*",
    "subscription* creat*",
    "subscription* activat*",
    "subscriptions",
    "subscribed",
    "purchase*",
    "payment* succe*",
    "payment* complet*",
    "first payment*",
    "checkout* complet*",
    "convert*",
    "conversion*",
];
/// Words of events before or after a conversion.
const NOT_CONVERTED: [&str; 19] = [
    "fail*",
    "abandon*",
    "view*",
    "page",
    "click*",
    "attempt*",
    "prompt*",
    "modal",
    "error*",
    "invoice*",
    "refund*",
    "renew*",
    "downgrade*",
    "seat*",
    "method",
    "email*",
    "newsletter*",
    "declin*",
    "intent*",
];
const EXCLUDE: [&str; 14] = [
    "invoice*",
    "billing",
    "billed",
    "bill",
    "refund*",
    "renew*",
    "downgrad*",
    "upgrade*",
    "upgrading",
    "payment*",
    "charge*",
    "receipt*",
    "checkout*",
    "subscription*",
];

/// Role of an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventRole {
    Login,
    Invite,
    Limit,
    HandRaise,
    Converted,
    Churned,
    Exclude,
}

/// Guesses roles from event types, and adds remarks.
///
/// # Arguments
/// * `names` – event types, most frequent first
/// * `stages` – those of `names` that are stages of deals, of which only the won ones matter
/// * `listed` – whether the account list has conversions; then conversion events are excluded
pub(super) fn guess(
    names: &[&str],
    stages: &[&str],
    listed: bool,
    remarks: &mut Vec<String>,
) -> Roles {
    let role = |name: &str| match infer_role(name) {
        Some(EventRole::Converted) => Some(EventRole::Converted),
        _ if stages.contains(&name) => Some(EventRole::Exclude),
        other => other,
    };
    let mut assigned: Vec<(&str, EventRole)> =
        names.iter().filter_map(|name| Some((*name, role(name)?))).collect();
    let usage =
        |m: EventRole| !matches!(m, EventRole::Converted | EventRole::Churned | EventRole::Exclude);
    if !names.is_empty() && assigned.iter().filter(|(_, m)| !usage(*m)).count() == names.len() {
        remarks.push(
            "no roles assigned: every event type looks like an outcome, so no usage would remain"
                .to_owned(),
        );
        assigned.clear();
    }
    if !listed && assigned.iter().all(|(_, m)| *m != EventRole::Converted) {
        for (name, role) in assigned.iter_mut().filter(|(name, _)| split(name) == ["upgrade"]) {
            remarks.push(format!(
                "roles.converted: `{name}` is the best guess; remove it if it is only a page view"
            ));
            *role = EventRole::Converted;
        }
    }
    let with_role = |role: EventRole| {
        assigned
            .iter()
            .filter(|(_, m)| *m == role)
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let (mut converted, mut exclude) =
        (with_role(EventRole::Converted), with_role(EventRole::Exclude));
    if listed && !converted.is_empty() {
        remarks.push(format!(
            "roles.exclude: {} would leak the outcome, which the account list already has",
            backticked(&converted)
        ));
        exclude.append(&mut converted);
    }
    Roles {
        login: with_role(EventRole::Login),
        value: Vec::new(),
        invite: with_role(EventRole::Invite),
        limit: with_role(EventRole::Limit),
        hand_raise: with_role(EventRole::HandRaise),
        converted,
        churned: with_role(EventRole::Churned),
        exclude,
    }
}

/// Returns whether a name is clearly that of a usage event. Outcomes such as `cancelled` may also
/// be a status.
pub(super) fn names_usage_event(name: &str) -> bool {
    matches!(
        infer_role(name),
        Some(EventRole::Login | EventRole::Invite | EventRole::Limit | EventRole::HandRaise)
    )
}

fn infer_role(name: &str) -> Option<EventRole> {
    let words = split(name);
    let failed = any(&words, &["fail*", "error*"]);
    let cancelled = any(&words, &["cancel*"]) && only(&words, &CANCEL);
    // Event types can come from file names: `365_student_purchases`, `payments`.
    let paid = words.last().is_some_and(|w| w == "payments" || w == "payment") && words.len() < 3;
    if any(&words, &CHURNED) || cancelled {
        Some(EventRole::Churned)
    } else if (any(&words, &CONVERTED) || paid) && !any(&words, &NOT_CONVERTED) {
        Some(EventRole::Converted)
    } else if any(&words, &HAND_RAISE) {
        Some(EventRole::HandRaise)
    } else if any(&words, &LIMIT) {
        Some(EventRole::Limit)
    } else if any(&words, &EXCLUDE) || any(&words, &["purchase*", "subscri*", "convert*"]) {
        Some(EventRole::Exclude)
    } else if any(&words, &INVITE) {
        Some(EventRole::Invite)
    } else if any(&words, &LOGIN) && !failed {
        Some(EventRole::Login)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_inferred_from_names() {
        use EventRole as M;
        for (role, names) in [
            (Some(M::Login), ["login", "Logged In", "userSignedIn", "session_start", "sign-in"]),
            (
                Some(M::Invite),
                [
                    "invite_sent",
                    "member_added",
                    "Invited Teammate",
                    "user_invited",
                    "collaborator_added",
                ],
            ),
            (
                Some(M::Limit),
                [
                    "limit_reached",
                    "quota_exceeded",
                    "paywall_hit",
                    "seat_limit_hit",
                    "Storage Limit Exceeded",
                ],
            ),
            (
                Some(M::HandRaise),
                [
                    "contact_sales",
                    "demo_requested",
                    "request_demo",
                    "Booked Demo",
                    "contacted-sales",
                ],
            ),
            (
                Some(M::Converted),
                [
                    "subscription_started",
                    "upgraded",
                    "Submit Upgrade",
                    "365_student_purchases",
                    "payment",
                ],
            ),
            (
                Some(M::Churned),
                [
                    "Cancellation Confirmation",
                    "account_deleted",
                    "cancelled",
                    "subscription_cancelled",
                    "churned",
                ],
            ),
            (
                Some(M::Exclude),
                ["invoice_paid", "Upgrade", "upgrade_page_viewed", "Downgrade", "payment_failed"],
            ),
            (None, ["upload_cancelled", "Logout", "login_failed", "NextSong", "report_created"]),
        ] {
            for name in names {
                assert_eq!(infer_role(name), role, "{name}");
            }
        }
    }

    #[test]
    fn conversion_events_are_excluded_if_the_account_list_has_conversions() {
        let mut remarks = Vec::new();
        let names = ["view", "upgraded", "invoice_paid", "cancelled"];
        let roles = guess(&names, &[], true, &mut remarks);
        assert_eq!(
            (roles.converted.len(), roles.exclude.join(" ").as_str()),
            (0, "invoice_paid upgraded")
        );
        assert!(remarks[0].contains("`upgraded`"), "{remarks:?}");
        let roles = guess(&names, &[], false, &mut remarks);
        assert_eq!(
            (roles.converted, roles.churned),
            (vec!["upgraded".to_owned()], vec!["cancelled".to_owned()])
        );
        assert!(roles.login.is_empty(), "no login event");
    }

    #[test]
    fn upgrade_is_only_a_fallback_and_usage_is_never_empty() {
        let mut remarks = Vec::new();
        assert_eq!(guess(&["view", "Upgrade"], &[], false, &mut remarks).converted, ["Upgrade"]);
        assert_eq!(
            guess(&["view", "Upgrade", "Submit Upgrade"], &[], false, &mut remarks).exclude,
            ["Upgrade"]
        );
        assert_eq!(
            guess(&["purchases"], &[], false, &mut remarks),
            Roles { login: Vec::new(), ..Roles::default() }
        );
    }
}
