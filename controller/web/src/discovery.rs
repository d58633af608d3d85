//! Version documents, with absolute links to where the client asked.

use crate::{BaseUrl, Microversion};
use serde_json::{Value, json};

/// One version of a service's API.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// `v3.14`, `v2.1`, `v2.0`.
    pub id: &'static str,
    /// `CURRENT`, `SUPPORTED`, `stable`.
    pub status: &'static str,
    /// Its path below the service's root: `/v2.1/`.
    pub path: &'static str,
    /// When it last changed, if the service tells.
    pub updated: Option<&'static str>,
    /// Keystone's and Nova's `media-types`: the type that stands behind `application/json`.
    pub media_type: Option<&'static str>,
    /// Least and greatest microversion. Services with versions but without these say `""` where `empty_microversions` is set.
    pub microversions: Option<(Microversion, Microversion)>,
    /// Nova says `"version": ""` for a version without microversions.
    pub empty_microversions: bool,
}

impl Version {
    /// A version with an id, a status and a path, and nothing else.
    #[must_use]
    pub const fn new(id: &'static str, status: &'static str, path: &'static str) -> Self {
        Self { id, status, path, updated: None, media_type: None, microversions: None, empty_microversions: false }
    }

    /// Its entry in a list, or its own document.
    #[must_use]
    pub fn entry(&self, url: &BaseUrl) -> Value {
        let mut entry = json!({
            "id": self.id,
            "status": self.status,
            "links": [{"rel": "self", "href": url.join(self.path)}],
        });
        if let Some(updated) = self.updated {
            entry["updated"] = updated.into();
        }
        if let Some(media_type) = self.media_type {
            entry["media-types"] = json!([{"base": "application/json", "type": media_type}]);
        }
        if let Some((least, greatest)) = self.microversions {
            entry["min_version"] = least.to_string().into();
            entry["version"] = greatest.to_string().into();
        } else if self.empty_microversions {
            entry["min_version"] = "".into();
            entry["version"] = "".into();
        }
        entry
    }
}

/// `{"versions": [..]}` of compute, network and image.
#[must_use]
pub fn list(versions: &[Version], url: &BaseUrl) -> Value {
    json!({"versions": versions.iter().map(|version| version.entry(url)).collect::<Vec<_>>()})
}

/// `{"versions": {"values": [..]}}` of identity.
#[must_use]
pub fn nested_list(versions: &[Version], url: &BaseUrl) -> Value {
    json!({"versions": {"values": versions.iter().map(|version| version.entry(url)).collect::<Vec<_>>()}})
}

/// `{"version": {..}}` of one version.
#[must_use]
pub fn one(version: &Version, url: &BaseUrl) -> Value {
    json!({"version": version.entry(url)})
}
