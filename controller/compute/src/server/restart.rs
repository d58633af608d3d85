//! Whether a host starts a server's guest again that ended by itself: as the flavor's extra spec `humilis:restart` says; where it says
//! nothing, as the image's property `humilis_restart`; where neither does, when it crashed. Operators' flavors come first, as with
//! Nova's `hw:` and `hw_`.

use controller_ports::fleet::guest::RestartPolicy;
use std::collections::BTreeMap;

/// The flavor's extra spec.
pub(crate) const EXTRA_SPEC: &str = "humilis:restart";
/// The image's property.
pub(crate) const PROPERTY: &str = "humilis_restart";

/// A word that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value '{value}' of {name}: it is one of on-failure, never and always")]
pub(crate) struct Unknown {
    name: &'static str,
    value: String,
}

/// The policy of a server with a flavor's extra specs and an image's property.
///
/// # Errors
/// When the one that counts is none.
pub(crate) fn policy(specs: &BTreeMap<String, String>, property: Option<&str>) -> Result<RestartPolicy, Unknown> {
    match (specs.get(EXTRA_SPEC), property) {
        (Some(word), _) => read(EXTRA_SPEC, word),
        (None, Some(word)) => read(PROPERTY, word),
        (None, None) => Ok(RestartPolicy::default()),
    }
}

/// Whether the extra specs name a policy, if they name one.
///
/// # Errors
/// When they name something else.
pub(crate) fn check(specs: &BTreeMap<String, String>) -> Result<(), Unknown> {
    policy(specs, None).map(drop)
}

fn read(name: &'static str, word: &str) -> Result<RestartPolicy, Unknown> {
    match word {
        "on-failure" => Ok(RestartPolicy::OnFailure),
        "never" => Ok(RestartPolicy::Never),
        "always" => Ok(RestartPolicy::Always),
        other => Err(Unknown { name, value: other.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flavor_counts_before_the_image() {
        let none = BTreeMap::new();
        let never = BTreeMap::from([(EXTRA_SPEC.to_owned(), "never".to_owned())]);
        assert_eq!(policy(&none, None), Ok(RestartPolicy::OnFailure));
        assert_eq!(policy(&none, Some("always")), Ok(RestartPolicy::Always));
        assert_eq!(policy(&never, Some("always")), Ok(RestartPolicy::Never));
        assert_eq!(policy(&never, Some("nonsense")), Ok(RestartPolicy::Never), "nobody asks the image");
    }

    #[test]
    fn another_word_is_refused_with_the_place_where_it_stands() {
        let wrong = BTreeMap::from([(EXTRA_SPEC.to_owned(), "Always".to_owned())]);
        let told = "Invalid value 'Always' of humilis:restart: it is one of on-failure, never and always";
        assert_eq!(check(&wrong).unwrap_err().to_string(), told);
        assert!(policy(&BTreeMap::new(), Some("")).unwrap_err().to_string().contains(PROPERTY));
    }
}
