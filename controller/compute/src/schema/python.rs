//! Values as Python's `repr` shows them, which is what Nova's messages quote.

use serde_json::Value;
use std::fmt::Write as _;

/// At most so many characters of a value are quoted back.
const LIMIT: usize = 1024;

/// The value in Python's notation, cut after 1024 characters.
#[must_use]
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    if out.chars().count() > LIMIT {
        out = out.chars().take(LIMIT).collect::<String>() + "...";
    }
    out
}

fn write_value(out: &mut String, value: &Value) {
    if out.len() > LIMIT * 4 {
        return;
    }
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_text(out, key);
                out.push_str(": ");
                write_value(out, item);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for symbol in text.chars() {
        match symbol {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_look_as_in_python() {
        assert_eq!(repr(&json!([null, true, 1, "a'b", "\n"])), r#"[None, True, 1, "a'b", '\n']"#);
        assert_eq!(repr(&json!({"a": {"b": []}})), "{'a': {'b': []}}");
    }

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(repr(&json!("x".repeat(5000))).len(), LIMIT + 3);
    }
}
