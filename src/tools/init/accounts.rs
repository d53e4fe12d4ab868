//! Columns of the account list.

use super::account_times::{AccountTimes, times};
use super::attributes::{RejectedColumn, rejection};
use super::keys::ListKey;
use super::sample::{ColumnKind, Sample, TrainedKind};
use super::words::rank;
use crate::names::{counted, file_name};

const SEATS: [&str; 7] = [
    "seats",
    "seatcount",
    "seatsatsignup",
    "numseats",
    "numberofseats",
    "licenses",
    concat!("licen", "ces"),
];
const REVENUE: [&str; 9] =
    ["mrr", "mrramount", "monthlyrevenue", "revenue", "arr", "arramount", "acv", "amount", "ltv"];

/// Guessed columns of the account list.
#[derive(Debug, Clone)]
pub(super) struct GuessedAccountColumns {
    pub(super) account: String,
    /// Why the list cannot be read: several rows of one account.
    pub(super) repeated: Option<String>,
    pub(super) times: AccountTimes,
    /// Why the conversion is only a best guess.
    pub(super) converted_evidence: Option<String>,
    pub(super) seats: Option<String>,
    pub(super) revenue: Option<String>,
    pub(super) attributes: Vec<String>,
    pub(super) rejected: Vec<RejectedColumn>,
}

impl GuessedAccountColumns {
    /// Guesses the columns of the account list. Returns `None` without a sign-up column.
    pub(super) fn guess(list: &Sample, key: ListKey<'_>) -> Option<Self> {
        let account = key.column.name.clone();
        let columns = times(list, &account);
        let times = AccountTimes::choose(list, &columns)?;
        let number = |whole: &[&str]| {
            let numbers = list.columns.iter().filter(|c| {
                let is_number = c.trained_kind() == TrainedKind::Number;
                c.name != account && c.kind != ColumnKind::Empty && is_number
            });
            numbers
                .filter_map(|c| Some((rank(&c.words, whole, &[])?, c)))
                .min_by_key(|(rank, _)| *rank)
                .map(|(_, c)| c.name.clone())
        };
        let repeated = (!key.unique).then(|| {
            format!(
                "`{}` has {} for {}: keep one row for each account, set `history = true` if each row has values from a time on, or pass the file with `--events` if each row is an event",
                file_name(&list.path),
                counted(key.column.present as u64, "row"),
                counted(key.column.distinct() as u64, "account")
            )
        });
        let (seats, revenue) = (number(&SEATS), number(&REVENUE));
        let mut guess = Self {
            account,
            repeated,
            times,
            converted_evidence: None,
            seats,
            revenue,
            attributes: Vec::new(),
            rejected: Vec::new(),
        };
        let names: Vec<&str> = columns.iter().map(|(column, _)| column.name.as_str()).collect();
        guess.choose_attributes(list, &names);
        Some(guess)
    }

    fn choose_attributes(&mut self, list: &Sample, times: &[&str]) {
        let named = [&self.times.converted, &self.times.churned, &self.seats, &self.revenue];
        let named: Vec<String> = named
            .into_iter()
            .flatten()
            .chain([&self.account, &self.times.signed_up])
            .cloned()
            .collect();
        for column in list.columns.iter().filter(|c| !named.contains(&c.name)) {
            match rejection(column, times.contains(&column.name.as_str()), &list.columns) {
                None => self.attributes.push(column.name.clone()),
                Some(reason) => self.rejected.push((column.name.clone(), reason)),
            }
        }
    }

    /// Uses the only time that by its values could be the conversion, and adds a remark.
    pub(super) fn take_possible_conversion(&mut self, remarks: &mut Vec<String>) {
        if let Some((name, evidence)) = self.times.take_possible() {
            remarks.push(format!("accounts.converted: `{name}` is the best guess ({evidence})"));
            self.converted_evidence = Some(format!("best guess: {evidence}"));
            self.rejected.retain(|(other, _)| *other != name);
        }
    }

    /// Returns what to do about a list without a conversion, if conversions are no events either.
    pub(super) fn conversion_task(&self) -> String {
        let list = |names: Vec<&String>| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        if !self.times.possible.is_empty() {
            let names = list(self.times.possible.iter().map(|(name, _)| name).collect());
            return format!("set `accounts.converted` to one of {names}");
        }
        if let Some((name, reason)) = self.times.rejected_conversion() {
            return format!("fix `{name}` ({reason}), set `accounts.converted` to another column");
        }
        if self.times.flags.is_empty() {
            return "add a column with the time of conversion (empty if not converted)".to_owned();
        }
        format!(
            "export the time of the first payment, because {} has no times",
            list(self.times.flags.iter().collect())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, Sample) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, text).unwrap();
        let sample = Sample::read_list(&file).unwrap();
        (folder, sample)
    }

    fn guess(text: &str) -> GuessedAccountColumns {
        let (_folder, sample) = list(text);
        let key = ListKey { column: &sample.columns[0], unique: true };
        GuessedAccountColumns::guess(&sample, key).unwrap()
    }

    #[test]
    fn columns_that_record_the_outcome_are_not_attributes() {
        let columns = guess(
            "account_id,account_name,industry,country,signup_date,plan_tier,signup_plan,seats,is_trial,churn_flag,employees,logins,segment,kind\n\
             a,A,x,US,2024-01-01,Basic,P1,3,True,False,5,7,paid,k\n\
             b,B,y,DE,2024-01-02,Pro,P2,4,False,True,6,8,free,k\n",
        );
        assert_eq!(columns.times.signed_up, "signup_date");
        assert_eq!(columns.seats.as_deref(), Some("seats"));
        assert_eq!((columns.times.converted.clone(), columns.times.churned.clone()), (None, None));
        assert_eq!(columns.attributes, ["industry", "country", "signup_plan", "employees"]);
        let names: Vec<&str> = columns.rejected.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["account_name", "plan_tier", "is_trial", "churn_flag", "logins", "segment", "kind"]
        );
    }

    #[test]
    fn outcome_columns_need_the_time_format_of_the_sign_ups() {
        let columns = guess(
            "id,created_at,first_purchase,cancelled_at,converted,last_payment_at\n\
             a,2024-01-01,2024-02-01,13/02/2024,1,2024-05-01\n\
             b,2024-01-02,,,0,\n",
        );
        assert_eq!(columns.times.converted.as_deref(), Some("first_purchase"));
        assert_eq!(columns.times.churned, None);
        let rejected = &columns.times.rejected;
        assert_eq!(rejected[0].0, "cancelled_at");
        assert!(rejected[0].1.contains("another time format"), "{rejected:?}");
        assert!(columns.attributes.is_empty());
    }

    #[test]
    fn an_account_list_needs_a_sign_up_column() {
        let (_folder, sample) = list("id,industry\na,x\nb,y\n");
        let key = ListKey { column: &sample.columns[0], unique: true };
        assert!(GuessedAccountColumns::guess(&sample, key).is_none());
    }

    #[test]
    fn a_time_that_some_accounts_have_after_their_sign_up_may_be_the_conversion() {
        let head = "id,created_at,plan_changed_at,trial_end,last_seen_at,verified_at,is_paying\n";
        let rows: Vec<String> = (1..=9)
            .map(|n| {
                let changed = if n % 3 == 0 { "2024-03-01" } else { "1970-01-01" };
                let paying = n % 3 == 0;
                format!(
                    "a{n},2024-01-0{n},{changed},2024-01-1{n},2024-05-01,2024-01-0{n},{paying}\n"
                )
            })
            .collect();
        let mut columns = guess(&format!("{head}{}", rows.concat()));
        let times = columns.times.clone();
        assert_eq!((times.signed_up.as_str(), times.converted), ("created_at", None));
        assert_eq!(times.possible.len(), 1, "{:?}", times.possible);
        assert_eq!(times.possible[0].0, "plan_changed_at");
        assert_eq!(times.flags, ["is_paying"]);
        assert!(columns.conversion_task().contains("`plan_changed_at`"));
        let mut remarks = Vec::new();
        columns.take_possible_conversion(&mut remarks);
        assert_eq!(columns.times.converted.as_deref(), Some("plan_changed_at"));
        assert!(remarks[0].contains("33.3% of accounts have one"), "{remarks:?}");
    }

    #[test]
    fn a_flag_is_no_time_of_conversion_and_a_trial_end_neither() {
        let columns = guess(
            "id,signed_up,converted,subscription_trial_end\na,2024-01-01,1,2024-02-01\nb,2024-01-02,0,\n",
        );
        assert_eq!(columns.times.converted, None);
        assert_eq!(columns.times.flags, ["converted"]);
        let task = columns.conversion_task();
        assert!(task.contains("`converted` has no times"), "{task}");
    }
}
