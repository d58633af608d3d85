//! An operator's policy file, as oslo.policy reads it: one mapping of rule names to checks, in YAML or JSON.
//!
//! Of YAML that is all there is: comments, quoted and plain words, texts over several lines, and the older form of a check as a
//! list of lists. Anything else is refused with its line.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One rule of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Its name.
    pub name: String,
    /// Its check, in the policy language.
    pub check: String,
    /// The line of its name, from 1.
    pub line: usize,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.reason)
    }
}

/// Reads a file's text.
///
/// # Errors
/// The first line that is not understood.
pub fn parse(file: &Path, text: &str) -> Result<Vec<FileRule>, FileError> {
    let at = |line: usize, reason: String| FileError { file: file.to_owned(), line, reason };
    if text.trim_start().starts_with('{') {
        return json(text).map_err(|(line, reason)| at(line, reason));
    }
    yaml(text).map_err(|(line, reason)| at(line, reason))
}

type Wrong = (usize, String);

fn json(text: &str) -> Result<Vec<FileRule>, Wrong> {
    let all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| (error.line(), error.to_string()))?;
    let line = |name: &str| {
        let quoted = serde_json::Value::from(name).to_string();
        text.lines().position(|line| line.contains(&quoted)).map_or(0, |index| index + 1)
    };
    all.into_iter()
        .map(|(name, value)| {
            let line = line(&name);
            Ok(FileRule { check: check(&value).map_err(|reason| (line, reason))?, line, name })
        })
        .collect()
}

/// A check as text, or in the older form: any of lists of which all hold.
fn check(value: &serde_json::Value) -> Result<String, String> {
    use serde_json::Value::{Array, String};
    let refused = || "a check is a text, or a list of lists of texts".to_owned();
    let all = |inner: &serde_json::Value| match inner {
        String(text) => Ok(text.clone()),
        Array(texts) => {
            let texts: Option<Vec<&str>> = texts.iter().map(serde_json::Value::as_str).collect();
            Ok(format!("({})", texts.ok_or_else(refused)?.join(" and ")))
        }
        _ => Err(refused()),
    };
    match value {
        String(text) => Ok(text.clone()),
        Array(any) if any.is_empty() => Ok("@".to_owned()),
        Array(any) => Ok(any.iter().map(all).collect::<Result<Vec<_>, _>>()?.join(" or ")),
        _ => Err(refused()),
    }
}

fn yaml(text: &str) -> Result<Vec<FileRule>, Wrong> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    let mut rules = Vec::new();
    while let Some((number, line)) = lines.next() {
        if is_empty(line) || line == "---" || line == "..." {
            continue;
        }
        if line.starts_with([' ', '\t', '-', '&', '*', '?', '%']) {
            return Err((number, "a rule's name is wanted at the beginning of the line".to_owned()));
        }
        let (name, rest) = key(line).ok_or_else(|| (number, "`name: check` is wanted".to_owned()))?;
        let mut value = rest.trim().to_owned();
        // What is indented belongs to the rule.
        while let Some((_, more)) = lines.next_if(|(_, more)| more.starts_with([' ', '\t']) || more.trim().is_empty()) {
            if !is_empty(more) {
                value.push('\n');
                value.push_str(more.trim());
            }
        }
        let check = scalar(&value).map_err(|reason| (number, format!("policy rule {name}: {reason}")))?;
        rules.push(FileRule { name, check, line: number });
    }
    Ok(rules)
}

fn is_empty(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The name before the colon, and what stands behind it.
fn key(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['"', '\'']) {
        let (name, rest) = quoted(line)?;
        return Some((name, rest.trim_start().strip_prefix(':')?));
    }
    // Rule names have colons of their own: the one before a space or the end counts.
    let end = line
        .match_indices(':')
        .map(|(index, _)| index)
        .find(|index| line.get(index + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])))?;
    let (name, rest) = line.split_at(end);
    Some((name.trim().to_owned(), rest.get(1..)?))
}

/// A quoted text at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, char)) = chars.next() {
        match char {
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                // A line's end: what follows goes on there.
                '\n' => {}
                other => out.push(other),
            },
            _ if char == quote => {
                let twice = quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == quote);
                if !twice {
                    return text.get(index + quote.len_utf8()..).map(|rest| (out, rest));
                }
                chars.next();
                out.push(quote);
            }
            _ => out.push(char),
        }
    }
    None
}

fn scalar(value: &str) -> Result<String, String> {
    let folded = |text: &str| text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned();
    match value.chars().next() {
        Some('"' | '\'') => {
            let (text, rest) = quoted(value).ok_or("the quote is never closed")?;
            if is_empty(rest) { Ok(folded(&text)) } else { Err(format!("{:?} follows the check", rest.trim())) }
        }
        Some('[') => {
            let list = serde_json::from_str(&folded(value)).map_err(|error| error.to_string())?;
            check(&list)
        }
        Some('>' | '|') => {
            let (head, text) = value.split_once('\n').unwrap_or((value, ""));
            let plain = head.trim_matches(['>', '|', '-', '+']).is_empty();
            if plain { Ok(folded(text)) } else { Err(format!("{head:?} is not understood")) }
        }
        Some('&' | '*' | '{' | '-') => Err(format!("{value:?} is not understood: a text is wanted")),
        _ => {
            let bare = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
            Ok(value.split('\n').map(bare).collect::<Vec<_>>().join(" ").trim().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String, usize)>, String> {
        let rules = parse(Path::new("p.yaml"), text).map_err(|error| error.to_string())?;
        Ok(rules.into_iter().map(|rule| (rule.name, rule.check, rule.line)).collect())
    }

    fn one(text: &str) -> String {
        read(text).unwrap().remove(0).1
    }

    #[test]
    fn every_way_to_write_a_check_is_read() {
        let text = "# comment\n\"identity:get_user\": \"role:a or\n  role:b\"\nplain:name: role:c  # why\n\
                    'it''s': '!'\nfolded: >-\n  role:d and\n  role:e\nlist: [[\"role:f\", \"role:g\"], [\"role:h\"]]\nempty: \"\"\n";
        let rules = read(text).unwrap();
        let expected = [
            ("identity:get_user", "role:a or role:b", 2),
            ("plain:name", "role:c", 4),
            ("it's", "!", 5),
            ("folded", "role:d and role:e", 6),
            ("list", "(role:f and role:g) or (role:h)", 9),
            ("empty", "", 10),
        ];
        let expected: Vec<_> = expected.map(|(name, check, line)| (name.to_owned(), check.to_owned(), line)).into();
        assert_eq!(rules, expected);
        assert_eq!(one(r#"{"a:b": "role:x"}"#), "role:x");
        assert_eq!(one(r#"{"a:b": [["role:x", "role:y"]]}"#), "(role:x and role:y)");
    }

    #[test]
    fn what_is_not_understood_names_its_line() {
        for (text, expected) in [
            ("a: \"role:x", "p.yaml:1: policy rule a: the quote is never closed"),
            ("a: role:x\n  - b", ""),
            ("a: x\n- b\n", "p.yaml:2: a rule's name is wanted at the beginning of the line"),
            ("\nnothing", "p.yaml:2: `name: check` is wanted"),
            ("a: \"x\" y", "p.yaml:1: policy rule a: \"y\" follows the check"),
            ("{\"a\": 1}", "p.yaml:1: a check is a text, or a list of lists of texts"),
            ("a: &x role:y", "p.yaml:1: policy rule a: \"&x role:y\" is not understood: a text is wanted"),
        ] {
            match read(text) {
                Ok(rules) => assert_eq!(expected, "", "{rules:?}"),
                Err(error) => assert_eq!(error, expected),
            }
        }
    }
}
