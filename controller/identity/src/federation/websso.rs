//! What a browser carries with it to its identity provider and back: sealed with the tokens' keys, bound to the browser by a cookie.

use crate::{Identity, token::fernet};
use controller_base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

/// The cookie's name.
pub(super) const COOKIE: &str = "humilis_websso";
/// How long a login at the provider may take, seconds.
pub(super) const PATIENCE: i64 = 600;
/// Sets the sealed texts apart from tokens.
const MARK: &str = "websso";

/// A login on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traveller {
    mark: String,
    state: String,
    end: i64,
    pub provider: String,
    pub protocol: String,
    /// Where the token goes.
    pub origin: String,
    /// The protocol's own.
    pub memory: Value,
}

impl Traveller {
    pub(super) fn new(state: &str, now: Timestamp, (provider, protocol): (&str, &str), origin: &str) -> Self {
        Self {
            mark: MARK.to_owned(),
            state: state.to_owned(),
            end: now.plus_seconds(PATIENCE).0,
            provider: provider.to_owned(),
            protocol: protocol.to_owned(),
            origin: origin.to_owned(),
            memory: Value::Null,
        }
    }
}

impl Identity {
    pub(super) fn seal_traveller(&self, traveller: &Traveller) -> Option<String> {
        let seconds = u64::try_from(self.clock.now().0 / 1_000_000).ok()?;
        let bytes = serde_json::to_vec(traveller).ok()?;
        self.keys.keys().first().map(|key| fernet::seal(key, &bytes, seconds, rand::random()))
    }

    /// Who was sent off with this state, if that was not too long ago.
    pub(super) fn open_traveller(&self, cookie: &str, state: &str) -> Option<Traveller> {
        let (bytes, _) = fernet::open(&self.keys.keys(), cookie)?;
        let traveller: Traveller = serde_json::from_slice(&bytes).ok()?;
        let same: bool = traveller.state.as_bytes().ct_eq(state.as_bytes()).into();
        (same && traveller.mark == MARK && traveller.end > self.clock.now().0).then_some(traveller)
    }
}

/// The value of this module's cookie among a request's.
pub(super) fn cookie(header: &str) -> Option<&str> {
    let mut cookies = header.split(';').filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// A page that sends the token to the dashboard at once.
pub(super) fn page(origin: &str, token: &str) -> String {
    let (origin, token) = (escaped(origin), escaped(token));
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Logging in</title></head>\
         <body onload=\"document.forms[0].submit()\"><form action=\"{origin}\" method=\"post\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <noscript><input type=\"submit\" value=\"Continue\"></noscript></form></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_texts_and_nothing_else_of_them() {
        let page = page("https://h.test/?a=1&b=\"><script>", "tok");
        assert!(page.contains("action=\"https://h.test/?a=1&amp;b=&quot;&gt;&lt;script&gt;\""), "{page}");
        assert_eq!(page.matches("<script").count(), 0);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(cookie("a=1; humilis_websso=xyz; b=2"), Some("xyz"));
        assert_eq!(cookie("xhumilis_websso=xyz"), None);
    }
}
