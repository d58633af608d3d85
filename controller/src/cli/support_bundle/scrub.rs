//! Takes secrets out of texts.

use crate::config::Config;
use std::fs;

/// Shorter ones would hit words that are none.
const LEAST: usize = 6;
/// How tokens of Fernet begin, and how long they are at least.
const TOKEN: (&str, usize) = ("gAAAA", 24);

/// The secrets that this controller's configuration holds.
pub(super) struct Scrub(Vec<String>);

impl Scrub {
    pub(super) fn of(config: &Config) -> Self {
        let url = config.database.url.reveal();
        let mut secrets = vec![config.identity.admin_password.reveal().to_owned()];
        secrets.extend(password(url));
        secrets.extend(config.identity.oidc.values().map(|provider| provider.client_secret.reveal().to_owned()));
        let clouds = fs::read_to_string(config.state_directory.join("clouds.yaml")).unwrap_or_default();
        let lines = clouds.lines().filter_map(|line| line.trim().strip_prefix("password: "));
        secrets.extend(lines.map(|quoted| quoted.trim_matches('\'').replace("''", "'")));
        secrets.retain(|secret| secret.len() >= LEAST);
        // One may hold another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// The text without them, and without tokens.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"));
        without_tokens(&text)
    }
}

/// The password of a database's URL.
fn password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password.to_owned())
}

fn without_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(TOKEN.0) {
        let (before, from) = rest.split_at(at);
        let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
        let length = from.find(|c| !in_token(c)).unwrap_or(from.len());
        clean.push_str(before);
        let (token, after) = from.split_at(length);
        clean.push_str(if length >= TOKEN.1 { "[token]" } else { token });
        rest = after;
    }
    clean + rest
}
