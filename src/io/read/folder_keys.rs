//! Columns from the names of folders, such as `day=2024-01-01/country=DE/part-0.parquet`.

use std::path::{Component, Path};

/// Value of a folder that stands for a missing value (Apache Hive).
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// Returns the columns that the folders of a file name, with their values; `None`: missing.
///
/// Of two folders with one name, the inner one counts.
pub(super) fn folder_keys(file: &Path) -> Vec<(String, Option<String>)> {
    let mut keys: Vec<(String, Option<String>)> = Vec::new();
    let folders = file.parent().into_iter().flat_map(Path::components);
    for folder in folders {
        let Component::Normal(name) = folder else { continue };
        let Some((key, value)) = name.to_str().and_then(|name| name.split_once('=')) else {
            continue;
        };
        let key = decoded(key);
        if key.is_empty() {
            continue;
        }
        let value = Some(decoded(value)).filter(|value| !value.is_empty() && value != MISSING);
        keys.retain(|(other, _)| *other != key);
        keys.push((key, value));
    }
    keys
}

/// Decodes `%` and two hexadecimal digits (RFC 3986, section 2.1); other text is unchanged.
fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .filter(|digits| *first == b'%' && digits.bytes().all(|d| d.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_an_equals_sign_are_columns() {
        let keys = |path: &str| {
            folder_keys(Path::new(path))
                .into_iter()
                .map(|(key, value)| format!("{key}:{}", value.as_deref().unwrap_or("-")))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            keys("/x/day=2024-01-01/country=DE/part=0.parquet"),
            "day:2024-01-01 country:DE"
        );
        assert_eq!(keys("a=1/b=/c=__HIVE_DEFAULT_PARTITION__/f.csv"), "a:1 b:- c:-");
        assert_eq!(keys("at=10%3A30%20h/100%/x=%zz/q=a=b/f.csv"), "at:10:30 h x:%zz q:a=b");
        assert_eq!(keys("a=1/a=2/f.csv"), "a:2");
        assert_eq!(keys("=1/plain/f.csv"), "");
    }
}
