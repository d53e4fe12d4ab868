//! Text of YAML files.

use serde_json::Value;

/// Returns a value as YAML: objects and lists in blocks, names first, texts as in JSON.
pub(super) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    push(value, 0, &mut text);
    text
}

fn push(value: &Value, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| !matches!(key.as_str(), "name" | "version"));
            entries.into_iter().map(|(key, value)| (format!("{pad}{key}:"), value)).collect()
        }
        Value::Array(items) => items.iter().map(|item| (format!("{pad}-"), item)).collect(),
        _ => return,
    };
    for (head, value) in entries {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                let mut block = String::new();
                push(value, indent + 2, &mut block);
                if head.ends_with('-') {
                    *text += &format!("{head} {}", block.trim_start());
                } else {
                    *text += &format!("{head}\n{block}");
                }
            }
            Value::Array(inner) if !inner.is_empty() => {
                *text += &format!("{head}\n");
                push(value, indent + 2, text);
            }
            value => *text += &format!("{head} {}\n", scalar(value)),
        }
    }
}

/// Returns a number or text; characters that YAML refuses in a text are escaped.
fn scalar(value: &Value) -> String {
    let is_refused = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let text = value.to_string();
    if !text.contains(is_refused) {
        return text;
    }
    let escaped = |c: char| {
        if is_refused(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_and_lists_are_blocks() {
        let value = json!({
            "models": [{"columns": [{"name": "a: b"}, {"name": "c\u{2028}\"d"}], "name": "x"}],
            "version": 2,
            "quoting": {"identifier": true},
            "empty": [],
        });
        let expected = r#"version: 2
empty: []
models:
  - name: "x"
    columns:
      - name: "a: b"
      - name: "c\u2028\"d"
quoting:
  identifier: true
"#;
        assert_eq!(yaml(&value), expected);
    }
}
