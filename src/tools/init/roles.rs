//! What event names mean.

use super::words::{any, only, split};
use crate::config::Roles;

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
const CONVERTED: [&str; 16] = [
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
/// What comes before or after a conversion without being it.
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

/// What an event name is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Login,
    Invite,
    Limit,
    HandRaise,
    Converted,
    Churned,
    Exclude,
}

/// Guess roles from event names.
///
/// # Arguments
/// * `names` – event names, the most frequent first
/// * `listed` – whether the account list gives conversions, so that events of conversion are left
///   out of usage instead
///
/// Answers remarks beside the roles.
pub(super) fn guess(names: &[&str], listed: bool, remarks: &mut Vec<String>) -> Roles {
    let mut meant: Vec<(&str, Meaning)> =
        names.iter().filter_map(|name| Some((*name, meaning(name)?))).collect();
    let usage = |m: Meaning| !matches!(m, Meaning::Converted | Meaning::Churned | Meaning::Exclude);
    if !names.is_empty() && meant.iter().filter(|(_, m)| !usage(*m)).count() == names.len() {
        remarks.push(
            "every event looks like an outcome; none got a role, since no usage would be left"
                .to_owned(),
        );
        meant.clear();
    }
    if !listed && meant.iter().all(|(_, m)| *m != Meaning::Converted) {
        for (name, meaning) in meant.iter_mut().filter(|(name, _)| split(name) == ["upgrade"]) {
            remarks
                .push(format!("roles.converted: `{name}`, for want of a clearer name; if it is only a page that is looked at, it is none"));
            *meaning = Meaning::Converted;
        }
    }
    let of = |wanted: Meaning| {
        meant
            .iter()
            .filter(|(_, m)| *m == wanted)
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let (mut converted, mut exclude) = (of(Meaning::Converted), of(Meaning::Exclude));
    if listed && !converted.is_empty() {
        remarks.push(format!(
            "{} would tell the outcome: excluded, since the account list gives the conversions",
            quoted(&converted)
        ));
        exclude.append(&mut converted);
    }
    Roles {
        login: of(Meaning::Login),
        value: Vec::new(),
        invite: of(Meaning::Invite),
        limit: of(Meaning::Limit),
        hand_raise: of(Meaning::HandRaise),
        converted,
        churned: of(Meaning::Churned),
        exclude,
    }
}

/// Names in backticks.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a name is one of an event, so that its column may be one of event names; `cancelled` may
/// be a status as well.
pub(super) fn speaks(name: &str) -> bool {
    matches!(
        meaning(name),
        Some(Meaning::Login | Meaning::Invite | Meaning::Limit | Meaning::HandRaise)
    )
}

fn meaning(name: &str) -> Option<Meaning> {
    let words = split(name);
    let failed = any(&words, &["fail*", "error*"]);
    let cancelled = any(&words, &["cancel*"]) && only(&words, &CANCEL);
    // File names stand for a kind of event too: `365_student_purchases`, `payments`.
    let paid = words.last().is_some_and(|w| w == "payments" || w == "payment") && words.len() < 3;
    if any(&words, &CHURNED) || cancelled {
        Some(Meaning::Churned)
    } else if (any(&words, &CONVERTED) || paid) && !any(&words, &NOT_CONVERTED) {
        Some(Meaning::Converted)
    } else if any(&words, &HAND_RAISE) {
        Some(Meaning::HandRaise)
    } else if any(&words, &LIMIT) {
        Some(Meaning::Limit)
    } else if any(&words, &EXCLUDE) || any(&words, &["purchase*", "subscri*", "convert*"]) {
        Some(Meaning::Exclude)
    } else if any(&words, &INVITE) {
        Some(Meaning::Invite)
    } else if any(&words, &LOGIN) && !failed {
        Some(Meaning::Login)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_role_they_speak_of() {
        use Meaning as M;
        for (meant, names) in [
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
                assert_eq!(meaning(name), meant, "{name}");
            }
        }
    }

    #[test]
    fn an_account_list_with_conversions_leaves_none_to_events() {
        let mut remarks = Vec::new();
        let names = ["view", "upgraded", "invoice_paid", "cancelled"];
        let roles = guess(&names, true, &mut remarks);
        assert_eq!(
            (roles.converted.len(), roles.exclude.join(" ").as_str()),
            (0, "invoice_paid upgraded")
        );
        assert!(remarks[0].contains("`upgraded`"), "{remarks:?}");
        let roles = guess(&names, false, &mut remarks);
        assert_eq!(
            (roles.converted, roles.churned),
            (vec!["upgraded".to_owned()], vec!["cancelled".to_owned()])
        );
        assert!(roles.login.is_empty(), "no event is a login, and the usual one is none");
    }

    #[test]
    fn an_upgrade_is_a_conversion_only_where_nothing_clearer_is_and_usage_is_never_emptied() {
        let mut remarks = Vec::new();
        assert_eq!(guess(&["view", "Upgrade"], false, &mut remarks).converted, ["Upgrade"]);
        assert_eq!(
            guess(&["view", "Upgrade", "Submit Upgrade"], false, &mut remarks).exclude,
            ["Upgrade"]
        );
        assert_eq!(
            guess(&["purchases"], false, &mut remarks),
            Roles { login: Vec::new(), ..Roles::default() }
        );
    }
}
