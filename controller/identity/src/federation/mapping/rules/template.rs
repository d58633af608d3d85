//! Texts with matches in them: `{0} {1}@example.org`.

use super::{MapError, ReadError};

/// Digits of the number of a match.
const LONGEST_NUMBER: usize = 4;

/// The values of one match.
pub(super) type Match = Vec<String>;

/// A text with places for matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Match(usize),
}

/// A template whose result is a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListTemplate {
    /// `{n}` alone: all values of the match.
    Whole(usize),
    /// `['one', '{n}']`: each by itself.
    Each(Vec<Template>),
}

impl Template {
    /// Reads `{n}`, `{}` (the next match), `{{` and `}}`.
    pub(super) fn read(text: &str) -> Result<Self, ReadError> {
        let wrong = || ReadError::Template(text.to_owned());
        let (mut pieces, mut plain, mut next) = (Vec::new(), String::new(), 0);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => {
                    rest.next();
                    plain.push(c);
                }
                '}' => return Err(wrong()),
                '{' => {
                    let index = place(&mut rest, next).ok_or_else(wrong)?;
                    next = index + 1;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Match(index));
                }
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The text with its matches; several values of one are printed as Python prints a list, which is what Keystone's users see.
    pub(super) fn fill(&self, matches: &[Match]) -> Result<String, MapError> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Match(index) => match values(matches, *index)? {
                    [one] => out.push_str(one),
                    several => out.push_str(&printed(several)),
                },
            }
        }
        Ok(out)
    }

    fn whole(&self) -> Option<usize> {
        match self.0.as_slice() {
            [Piece::Match(index)] => Some(*index),
            _ => None,
        }
    }
}

/// The number up to the closing brace; none at all: the next one.
fn place(rest: &mut impl Iterator<Item = char>, next: usize) -> Option<usize> {
    let mut digits = String::new();
    loop {
        match rest.next()? {
            '}' if digits.is_empty() => return Some(next),
            '}' => return digits.parse().ok(),
            digit if digit.is_ascii_digit() && digits.len() < LONGEST_NUMBER => digits.push(digit),
            _ => return None,
        }
    }
}

impl ListTemplate {
    pub(super) fn read(text: &str) -> Result<Self, ReadError> {
        if let Some(items) = literal(text) {
            return items.iter().map(|item| Template::read(item)).collect::<Result<_, _>>().map(Self::Each);
        }
        let one = Template::read(text)?;
        Ok(one.whole().map_or_else(|| Self::Each(vec![one]), Self::Whole))
    }

    pub(super) fn fill(&self, matches: &[Match]) -> Result<Vec<String>, MapError> {
        match self {
            Self::Whole(index) => values(matches, *index).map(<[String]>::to_vec),
            Self::Each(items) => items.iter().map(|item| item.fill(matches)).collect(),
        }
    }
}

/// The values of a match.
pub(super) fn values(matches: &[Match], index: usize) -> Result<&[String], MapError> {
    matches.get(index).map(Vec::as_slice).ok_or(MapError::NoMatch(index))
}

/// `['a', "b"]` of the operator's own mapping, as Python reads it; none when it is something else.
fn literal(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (item, after) = rest[1..].split_once(quote)?;
        items.push(item.to_owned());
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',')?.trim_start(),
        };
    }
    Some(items)
}

/// A list as Python prints it.
fn printed(values: &[String]) -> String {
    let one = |value: &String| {
        let escaped = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        if escaped.contains('\'') && !escaped.contains('"') {
            format!("\"{escaped}\"")
        } else {
            format!("'{}'", escaped.replace('\'', "\\'"))
        }
    };
    format!("[{}]", values.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, matches: &[&[&str]]) -> Result<String, MapError> {
        let owned: Vec<Match> = matches.iter().map(|values| values.iter().map(ToString::to_string).collect()).collect();
        Template::read(text).unwrap().fill(&owned)
    }

    #[test]
    fn matches_are_filled_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{0}", "one"),
            ("{0} {1}", "one two"),
            ("{1}{0}{1}", "twoonetwo"),
            ("{} and {}", "one and two"),
            ("{{{0}}}", "{one}"),
            ("a{{b}}c", "a{b}c"),
            ("{2}", "['x', \"y's\"]"),
            ("{3}", "[]"),
            ("ä{0}ö", "äoneö"),
        ] {
            assert_eq!(fill(text, &[&["one"], &["two"], &["x", "y's"], &[]]).unwrap(), expected, "{text}");
        }
        assert_eq!(fill("{7}", &[&["one"]]), Err(MapError::NoMatch(7)));
    }

    #[test]
    fn a_value_with_braces_is_not_filled_in_again() {
        assert_eq!(fill("{0}", &[&["{1}"], &["secret"]]).unwrap(), "{1}");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["{", "}", "{0", "0}", "{a}", "{0.x}", "{0[1]}", "{0!r}", "{0:>9}", "{-1}", "{ 0 }"] {
            assert_eq!(Template::read(text), Err(ReadError::Template(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_list_is_a_match_or_the_operators_own() {
        let matches = [vec!["a".to_owned(), "b".to_owned()], vec!["['admin']".to_owned()]];
        for (text, expected) in [
            ("{0}", vec!["a", "b"]),
            ("{1}", vec!["['admin']"]),
            ("one", vec!["one"]),
            ("['one', \"two's\"]", vec!["one", "two's"]),
            ("['x', '{1}']", vec!["x", "['admin']"]),
            ("[]", vec![]),
            ("[one]", vec!["[one]"]),
            ("x{0}", vec!["x['a', 'b']"]),
        ] {
            assert_eq!(ListTemplate::read(text).unwrap().fill(&matches).unwrap(), expected, "{text}");
        }
    }
}
