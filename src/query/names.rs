//! Names of the columns that stages add.

use std::collections::BTreeSet;

/// Gives columns names that differ from each other in every engine: also without regard to case.
#[derive(Debug, Default)]
pub(crate) struct ColumnNames {
    /// Lower case of the names in use.
    used: BTreeSet<String>,
}

impl ColumnNames {
    /// Reserves the names of existing columns.
    pub(crate) fn reserving<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { used: names.into_iter().map(str::to_lowercase).collect() }
    }

    /// Returns a new name that starts like the wanted one.
    pub(crate) fn add(&mut self, wanted: &str) -> String {
        /// Maximum length in bytes; PostgreSQL cuts names off after 63 bytes.
        const LONGEST: usize = 56;
        let start = &wanted[..wanted.floor_char_boundary(LONGEST)];
        let numbered = (2..).map(|number| format!("{start}_{number}"));
        let mut names = std::iter::once(start.to_owned()).chain(numbered);
        names.find(|name| self.used.insert(name.to_lowercase())).expect("numbers do not end")
    }
    /// Returns an end that no name has: a name of any start with this end is new.
    pub(crate) fn end(&self, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let mut ends = std::iter::once(wanted.to_owned()).chain(numbered);
        let is_free = |end: &String| !self.used.iter().any(|name| name.ends_with(end.as_str()));
        ends.find(is_free).expect("numbers do not end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_distinct() {
        let mut names = ColumnNames::reserving(["Events", "c_events"]);
        assert_eq!(names.add("events"), "events_2");
        assert_eq!(names.add("c_events"), "c_events_2");
        assert_eq!(names.add("C_Events"), "C_Events_3");
        let long = "é".repeat(40);
        assert_eq!(names.add(&long), "é".repeat(28));
        assert_eq!(names.add(&long), format!("{}_2", "é".repeat(28)));
        assert_eq!([names.end("_1"), names.end("vents_2")], ["_1", "vents_2_2"]);
    }
}
