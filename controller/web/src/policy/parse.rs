//! The policy language: `not` binds tighter than `and`, `and` tighter than `or`; an empty check always holds.

use super::{
    PolicyError,
    check::{Check, Part, Template},
};

/// Why a text is no check.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// It went wrong here.
    Near(String),
    /// It asks a server.
    Server(String),
}

impl Wrong {
    /// The error of a rule with such a check.
    pub(super) fn of(self, rule: &str) -> PolicyError {
        let rule = rule.to_owned();
        match self {
            Self::Near(near) => PolicyError::Syntax { rule, near },
            Self::Server(kind) => PolicyError::Server { rule, kind },
        }
    }
}

impl From<String> for Wrong {
    fn from(near: String) -> Self {
        Self::Near(near)
    }
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(&'a str),
}

/// The check of a text; on failure the place where it went wrong.
pub(super) fn parse(text: &str) -> Result<Check, Wrong> {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return Ok(Check::Always);
    }
    let mut parser = Parser { tokens: &tokens };
    let check = parser.any()?;
    match parser.tokens.first() {
        None => Ok(check),
        Some(token) => Err(format!("{token:?}").into()),
    }
}

/// As oslo.policy splits: at white space, then brackets off both ends.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let inner = word.trim_start_matches('(');
        out.extend((0..word.len() - inner.len()).map(|_| Token::Open));
        let body = inner.trim_end_matches(')');
        match body.to_ascii_lowercase().as_str() {
            "" => {}
            "and" => out.push(Token::And),
            "or" => out.push(Token::Or),
            "not" => out.push(Token::Not),
            _ => out.push(Token::Check(body)),
        }
        out.extend((0..inner.len() - body.len()).map(|_| Token::Close));
    }
    out
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'t, 'a> Parser<'t, 'a> {
    fn any(&mut self) -> Result<Check, Wrong> {
        let mut checks = vec![self.all()?];
        while self.take(&Token::Or) {
            checks.push(self.all()?);
        }
        Ok(single(checks, Check::Any))
    }

    fn all(&mut self) -> Result<Check, Wrong> {
        let mut checks = vec![self.one()?];
        while self.take(&Token::And) {
            checks.push(self.one()?);
        }
        Ok(single(checks, Check::All))
    }

    fn one(&mut self) -> Result<Check, Wrong> {
        if self.take(&Token::Not) {
            return Ok(Check::Not(Box::new(self.one()?)));
        }
        if self.take(&Token::Open) {
            let check = self.any()?;
            return if self.take(&Token::Close) {
                Ok(check)
            } else {
                Err("a bracket that stays open".to_owned().into())
            };
        }
        match self.tokens.split_first() {
            Some((Token::Check(text), rest)) => {
                self.tokens = rest;
                atom(text)
            }
            Some((token, _)) => Err(format!("{token:?}").into()),
            None => Err("its end".to_owned().into()),
        }
    }

    fn take(&mut self, wanted: &Token<'_>) -> bool {
        match self.tokens.split_first() {
            Some((token, rest)) if token == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

fn single(mut checks: Vec<Check>, many: fn(Vec<Check>) -> Check) -> Check {
    if checks.len() == 1 { checks.remove(0) } else { many(checks) }
}

fn atom(text: &str) -> Result<Check, Wrong> {
    match text {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let (kind, value) = text.split_once(':').ok_or_else(|| text.to_owned())?;
    match kind {
        "http" | "https" => Err(Wrong::Server(kind.to_owned())),
        "rule" => Ok(Check::Rule(value.to_owned())),
        "role" => Ok(Check::Role(template(value)?)),
        _ => match literal(kind) {
            Some(word) => Ok(Check::Literal(word.to_owned(), template(value)?)),
            None => Ok(Check::Credential(kind.to_owned(), template(value)?)),
        },
    }
}

/// Python's literals, as text: `'x'`, `"x"`, `True`, `None`, numbers.
fn literal(text: &str) -> Option<&str> {
    let quoted = ['\'', '"'].into_iter().find_map(|q| text.strip_prefix(q)?.strip_suffix(q));
    quoted.or_else(|| (matches!(text, "True" | "False" | "None") || text.parse::<i64>().is_ok()).then_some(text))
}

fn template(text: &str) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("%(") {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let (key, after) = after.split_once(")s").ok_or_else(|| text.to_owned())?;
        parts.push(Part::Key(key.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(Template(parts))
}
