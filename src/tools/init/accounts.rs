//! Which column of the account list is what, and which may be attributes.

use super::sample::{Column, Look, Sample};
use super::times::Reading;
use super::words::{any, rank};

const SIGNED_UP: [&str; 20] = [
    "signedupat",
    "signupat",
    "signupdate",
    "signedup",
    "signup",
    "signuptime",
    "signuptimestamp",
    "registeredat",
    "dateregistered",
    "registrationdate",
    "registration",
    "createdat",
    "created",
    "datecreated",
    "creationdate",
    "joinedat",
    "joindate",
    "trialstartedat",
    "trialstart",
    "startdate",
];
const SIGNED_UP_WORDS: [&str; 8] =
    ["signup*", "sign*_up", "regist*", "creat*", "join*", "trial_start*", "start*", "since"];
const CONVERTED: [&str; 14] = [
    "convertedat",
    "conversiondate",
    "converted",
    "paidat",
    "subscribedat",
    "upgradedat",
    "firstpurchase",
    "firstpurchaseat",
    "firstpaidat",
    "firstpayment",
    "firstpaymentat",
    "becamecustomerat",
    "customersince",
    "purchasedat",
];
const CONVERTED_WORDS: [&str; 9] = [
    "convert*",
    "conversion*",
    "paid",
    "subscri*_start*",
    "subscribed",
    "upgrade*",
    "purchase*",
    "first_payment*",
    "customer_since",
];
const CHURNED: [&str; 8] = [
    "churnedat",
    "churndate",
    "churned",
    "cancelledat",
    "canceledat",
    "cancellationdate",
    "deletedat",
    "closedat",
];
const CHURNED_WORDS: [&str; 5] = ["churn*", "cancel*", "delet*", "deactivat*", "clos*"];
/// Times that move on: not the first of their kind.
const MOVING: [&str; 7] = ["last", "latest", "next", "renew*", "end*", "expir*", "updat*"];
const SEATS: [&str; 7] =
    ["seats", "seatcount", "seatsatsignup", "numseats", "numberofseats", "licenses", "licences"];
const REVENUE: [&str; 9] =
    ["mrr", "mrramount", "monthlyrevenue", "revenue", "arr", "arramount", "acv", "amount", "ltv"];

/// Names that say what was known at sign-up.
const AT_SIGN_UP: [&str; 5] = ["signup", "sign_up", "initial*", "original*", "at_registration"];
/// Names that smell of the outcome, or change on conversion.
const OUTCOME: [&str; 60] = [
    "plan*",
    "tier*",
    "paid",
    "pay*",
    "premium",
    "pro",
    "free",
    "churn*",
    "status*",
    "arr",
    "mrr",
    "acv",
    "revenue",
    "amount*",
    "ltv",
    "bill*",
    "invoice*",
    "subscri*",
    "convert*",
    "conver*",
    "cancel*",
    "trial*",
    "upgrad*",
    "downgrad*",
    "renew*",
    "active",
    "activat*",
    "last",
    "latest",
    "current*",
    "total*",
    "lifecycle*",
    "stage",
    "health*",
    "score",
    "nps",
    "csat",
    "usage",
    "customer",
    "deal*",
    "contract*",
    "owner",
    "csm",
    "sales",
    "won",
    "lost",
    "discount*",
    "coupon*",
    "card",
    "expir*",
    "end*",
    "updat*",
    "package",
    "licen*",
    "edition",
    "purchase*",
    "spen*",
    "delet*",
    "closed",
    "refund*",
];
/// Values that smell of the outcome.
const OUTCOME_VALUES: [&str; 9] =
    ["paid", "paying", "free", "premium", "trial", "churned", "converted", "subscribe*", "cancel*"];
const IDENTIFYING: [&str; 27] = [
    "id",
    "uuid",
    "guid",
    "key",
    "name",
    "email*",
    "mail",
    "phone*",
    "url",
    "website",
    "domain*",
    "address",
    "street",
    "zip",
    "postal",
    "postcode",
    "ip",
    "token",
    "description",
    "note",
    "notes",
    "comment*",
    "feedback",
    "firstname",
    "lastname",
    "hash",
    "slug",
];
/// Numbers that are mostly known at sign-up.
const FIRMOGRAPHIC: [&str; 11] = [
    "employee*",
    "headcount",
    "size",
    "company_size",
    "founded",
    "funding",
    "age",
    "birth*",
    "population",
    "staff",
    "offices",
];

/// Levels above which a text is too varied for an attribute.
const LEVELS: usize = 300;

/// A column that is no attribute, and why.
pub(super) type DroppedFeature = (String, &'static str);

/// The columns of the account list.
#[derive(Debug, Clone)]
pub(super) struct ListColumns {
    pub(super) account: String,
    pub(super) signed_up: String,
    pub(super) reading: Reading,
    pub(super) converted: Option<String>,
    pub(super) churned: Option<String>,
    pub(super) seats: Option<String>,
    pub(super) revenue: Option<String>,
    pub(super) attributes: Vec<String>,
    pub(super) left_out: Vec<DroppedFeature>,
}

impl ListColumns {
    /// Guess the columns of the account list; `None` where no column looks like sign-ups. Answers
    /// remarks beside them.
    pub(super) fn of(list: &Sample, account: &Column, remarks: &mut Vec<String>) -> Option<Self> {
        let others = || list.columns.iter().filter(|c| c.name != account.name);
        let times: Vec<(&Column, Reading)> =
            others().filter_map(|c| Some((c, c.reading()?))).filter(|(c, _)| is_time(c)).collect();
        let (signed_up, reading) = signed_up(&times)?;
        let outcome = |whole: &[&str], part: &[&str]| {
            let rank_of = |c: &Column| {
                rank(&c.words, whole, part)
                    .filter(|_| c.name != signed_up.name && !any(&c.words, &MOVING))
            };
            times
                .iter()
                .filter_map(|(c, r)| Some((rank_of(c)?, c, r)))
                .min_by_key(|(rank, ..)| *rank)
                .map(|(_, c, r)| (*c, r))
        };
        let churned = outcome(&CHURNED, &CHURNED_WORDS);
        let mut converted = outcome(&CONVERTED, &CONVERTED_WORDS)
            .filter(|(c, _)| churned.is_none_or(|(other, _)| other.name != c.name));
        if let Some((column, _)) = converted.take_if(|(c, _)| nearly_full(c)) {
            let why = "is filled for nearly every account, so it is not taken for conversions";
            remarks.push(format!(
                "accounts: `{}` {why}; name it as `accounts.converted` if it holds them",
                column.name
            ));
        }
        let mut same_writing = |found: Option<(&Column, &Reading)>| {
            let (column, other) = found?;
            if other.format == reading.format {
                return Some(column.name.clone());
            }
            let why =
                "is written otherwise than the sign-ups, and one format serves the whole list";
            remarks.push(format!("accounts: `{}` {why}", column.name));
            None
        };
        let (converted, churned) = (same_writing(converted), same_writing(churned));
        let number = |whole: &[&str]| {
            let ranked = others().filter(|c| c.look == Look::Number || c.look == Look::Flag);
            ranked
                .filter_map(|c| Some((rank(&c.words, whole, &[])?, c)))
                .min_by_key(|(r, _)| *r)
                .map(|(_, c)| c.name.clone())
        };
        let mut columns = Self {
            account: account.name.clone(),
            signed_up: signed_up.name.clone(),
            reading: reading.clone(),
            converted,
            churned,
            seats: number(&SEATS),
            revenue: number(&REVENUE),
            attributes: Vec::new(),
            left_out: Vec::new(),
        };
        columns.choose_attributes(list, &times);
        Some(columns)
    }

    fn choose_attributes(&mut self, list: &Sample, times: &[(&Column, Reading)]) {
        let named =
            [&self.converted, &self.churned, &self.seats, &self.revenue].into_iter().flatten();
        let named: Vec<String> = named.chain([&self.account, &self.signed_up]).cloned().collect();
        for column in list.columns.iter().filter(|c| !named.contains(&c.name)) {
            let is_time = times.iter().any(|(c, _)| c.name == column.name);
            match against(column, is_time, &list.columns) {
                None => self.attributes.push(column.name.clone()),
                Some(reason) => self.left_out.push((column.name.clone(), reason)),
            }
        }
    }
}

/// Whether a column that reads as times is one: a number needs a name that says so.
fn is_time(column: &Column) -> bool {
    let said = ["at", "date", "time", "timestamp", "ts", "on", "since", "day"];
    let lists: [&[&str]; 4] = [&said, &SIGNED_UP_WORDS, &CONVERTED_WORDS, &CHURNED_WORDS];
    column.look == Look::Text || lists.iter().any(|words| any(&column.words, words))
}

/// Whether hardly a value is missing: where most accounts convert there is nothing to predict.
fn nearly_full(column: &Column) -> bool {
    column.rows >= 20 && column.present * 20 > column.rows * 19
}

/// The column of sign-ups: by its name, else the only text that reads as times.
fn signed_up<'a, 'b>(times: &'b [(&'a Column, Reading)]) -> Option<(&'a Column, &'b Reading)> {
    let mostly = || times.iter().filter(|(c, _)| c.present * 2 > c.rows);
    let named =
        mostly().filter_map(|(c, r)| Some((rank(&c.words, &SIGNED_UP, &SIGNED_UP_WORDS)?, *c, r)));
    let only = || {
        let mut texts = mostly()
            .filter(|(c, _)| !any(&c.words, &CONVERTED_WORDS) && !any(&c.words, &CHURNED_WORDS));
        texts.next().filter(|_| texts.next().is_none()).map(|(c, r)| (*c, r))
    };
    named.min_by_key(|(rank, ..)| *rank).map(|(_, c, r)| (c, r)).or_else(only)
}

/// Why a column is no attribute; `None`: it is one.
fn against(column: &Column, is_time: bool, all: &[Column]) -> Option<&'static str> {
    let early = any(&column.words, &AT_SIGN_UP);
    if column.distinct() < 2 {
        return Some("it has the same value everywhere");
    }
    if is_time {
        return Some("it is a time");
    }
    if identifies(column) {
        return Some("it tells single accounts apart");
    }
    if !early && (any(&column.words, &OUTCOME) || is_state_of_things(column, all)) {
        return Some("its name smells of the outcome: what changes on conversion leaks");
    }
    if !early
        && column.look == Look::Text
        && column.texts().any(|v| any(&super::words::split(v), &OUTCOME_VALUES))
    {
        return Some("its values smell of the outcome: what changes on conversion leaks");
    }
    let known = early
        || column.look == Look::Text
        || column.look == Look::Number && any(&column.words, &FIRMOGRAPHIC);
    (!known).then_some("it may change after sign-up; name it as an attribute if it does not")
}

/// `state` is a region beside a country or a city, or where it holds codes of two letters; else it
/// is a status.
fn is_state_of_things(column: &Column, all: &[Column]) -> bool {
    let code = |v: &str| v.len() == 2 && v.chars().all(|c| c.is_ascii_uppercase());
    let place = all.iter().any(|c| any(&c.words, &["country", "city", "region"]));
    any(&column.words, &["state"]) && !place && !column.texts().all(code)
}

/// Whether a column names accounts or people: by its name, but a name that many share
/// (`country_name`) is none, or by its variety.
fn identifies(column: &Column) -> bool {
    let shared = column.distinct() * 4 <= column.present && any(&column.words, &["name"]);
    let varied = column.distinct() > LEVELS
        || column.distinct() > 20 && column.distinct() * 2 > column.present;
    any(&column.words, &IDENTIFYING) && !shared || varied && column.look == Look::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, Sample) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, text).unwrap();
        let sample = Sample::of(&file).unwrap();
        (folder, sample)
    }

    fn guess(text: &str) -> (ListColumns, Vec<String>) {
        let (_folder, sample) = list(text);
        let mut remarks = Vec::new();
        let columns = ListColumns::of(&sample, &sample.columns[0], &mut remarks).unwrap();
        (columns, remarks)
    }

    #[test]
    fn what_smells_of_the_outcome_is_no_attribute() {
        let (columns, _) = guess(
            "account_id,account_name,industry,country,signup_date,plan_tier,signup_plan,seats,is_trial,churn_flag,employees,logins,segment,kind\n\
             a,A,x,US,2024-01-01,Basic,P1,3,True,False,5,7,paid,k\n\
             b,B,y,DE,2024-01-02,Pro,P2,4,False,True,6,8,free,k\n",
        );
        assert_eq!(columns.signed_up, "signup_date");
        assert_eq!(columns.seats.as_deref(), Some("seats"));
        assert_eq!((columns.converted.clone(), columns.churned.clone()), (None, None));
        assert_eq!(columns.attributes, ["industry", "country", "signup_plan", "employees"]);
        let names: Vec<&str> = columns.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["account_name", "plan_tier", "is_trial", "churn_flag", "logins", "segment", "kind"]
        );
    }

    #[test]
    fn outcomes_must_hold_times_in_the_writing_of_the_sign_ups() {
        let (columns, remarks) = guess(
            "id,created_at,first_purchase,cancelled_at,converted,last_payment_at\n\
             a,2024-01-01,2024-02-01,13/02/2024,1,2024-05-01\n\
             b,2024-01-02,,,0,\n",
        );
        assert_eq!(columns.converted.as_deref(), Some("first_purchase"));
        assert_eq!(columns.churned, None);
        assert!(remarks[0].contains("`cancelled_at` is written otherwise"), "{remarks:?}");
        assert!(columns.attributes.is_empty());
    }

    #[test]
    fn a_list_without_sign_ups_is_none() {
        let (_folder, sample) = list("id,industry\na,x\nb,y\n");
        assert!(ListColumns::of(&sample, &sample.columns[0], &mut Vec::new()).is_none());
    }
}
