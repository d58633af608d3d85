//! Links as Nova writes them: `self` with the version, `bookmark` without.

use controller_web::BaseUrl;
use serde_json::{Value, json};

/// Makes links below where the client thinks compute is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a>(pub(crate) &'a BaseUrl);

impl Links<'_> {
    /// `self` and `bookmark` of a member of a collection.
    pub(crate) fn of(&self, collection: &str, id: &str) -> Value {
        json!([
            {"rel": "self", "href": self.href(collection, id)},
            {"rel": "bookmark", "href": self.0.join(&format!("/{collection}/{id}"))},
        ])
    }

    /// `bookmark` alone.
    pub(crate) fn bookmark(&self, collection: &str, id: &str) -> Value {
        json!([{"rel": "bookmark", "href": self.0.join(&format!("/{collection}/{id}"))}])
    }

    /// The `self` link's address.
    pub(crate) fn href(&self, collection: &str, id: &str) -> String {
        self.0.join(&format!("/v2.1/{collection}/{id}"))
    }
}
