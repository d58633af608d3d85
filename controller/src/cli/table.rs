//! How commands show things.

use controller_base::Timestamp;
use serde_json::Value;

/// Columns as wide as their widest entry.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A value for people.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(truth) => if *truth { "yes" } else { "no" }.to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A moment as RFC 3339 has it, to the second.
pub fn moment(at: Option<&prost_types::Timestamp>) -> Option<String> {
    at.map(|at| Timestamp(at.seconds.saturating_mul(1_000_000)).seconds_z())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tables_columns_stand_below_each_other() {
        let rows = [["NAME", "STATE"], ["a-long-name", "away"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "NAME         STATE\na-long-name  away\n");
    }

    #[test]
    fn values_are_for_people() {
        let said = serde_json::json!([null, "", "a", true, 3, ["x", "y"]]);
        let words: Vec<_> = said.as_array().unwrap().iter().map(shown).collect();
        assert_eq!(words, ["-", "-", "a", "yes", "3", "x, y"]);
    }

    #[test]
    fn a_moment_is_shown_to_the_second() {
        let at = prost_types::Timestamp { seconds: 1_790_000_000, nanos: 5 };
        assert_eq!(moment(Some(&at)).as_deref(), Some("2026-09-21T14:13:20Z"));
        assert_eq!(moment(None), None);
    }
}
