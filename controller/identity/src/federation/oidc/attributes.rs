//! Claims as the attributes that mapping rules know: those of mod_auth_openidc.

use super::{OidcConfig, jwt::Claims};
use crate::federation::{assertion::Assertion, mapping::rules::Attributes};
use serde_json::Value;

/// Each claim under two names: `OIDC-<claim>`, and `HTTP_OIDC_<CLAIM>` as a web server writes the header of that name. A list stays a
/// list; what is neither text nor list is written as mod_auth_openidc does.
pub(super) fn assertion(claims: &Claims, config: &OidcConfig) -> Assertion {
    let mut attributes = Attributes::new();
    for (claim, value) in claims {
        let Some(values) = values(value) else { continue };
        let name = format!("{}{claim}", config.claim_prefix);
        attributes.insert(header(&name), values.clone());
        attributes.insert(name, values);
    }
    let remote_user = claims.get(&config.remote_user_claim).and_then(Value::as_str).map(str::to_owned);
    if let Some(user) = &remote_user {
        attributes.insert("REMOTE_USER".to_owned(), vec![user.clone()]);
    }
    Assertion { attributes, remote_user }
}

/// None: the claim says nothing.
fn values(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => None,
        Value::Array(list) => Some(list.iter().filter_map(text).collect()),
        other => text(other).map(|text| vec![text]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// A header's name as CGI has it.
fn header(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("HTTP_{}", upper.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_become_attributes_under_both_names() {
        let Value::Object(claims) = json!({
            "sub": "bob", "iss": "https://idp.test", "preferred_username": "Bob; admins", "email_verified": true, "n": 5,
            "groups": ["dev", "o;ps", 7], "address": {"country": "ES"}, "middle_name": null, "empty": []
        }) else {
            unreachable!()
        };
        let found = assertion(&claims, &OidcConfig::default());
        assert_eq!(found.remote_user.as_deref(), Some("bob"));
        let one = |name: &str| found.attributes.get(name).map(|values| values.join("|"));
        assert_eq!(one("OIDC-sub").as_deref(), Some("bob"));
        assert_eq!(one("HTTP_OIDC_ISS").as_deref(), Some("https://idp.test"));
        assert_eq!(one("HTTP_OIDC_PREFERRED_USERNAME").as_deref(), Some("Bob; admins"), "a text is one value");
        assert_eq!(one("OIDC-groups").as_deref(), Some("dev|o;ps|7"));
        assert_eq!((one("OIDC-email_verified").as_deref(), one("OIDC-n").as_deref()), (Some("1"), Some("5")));
        assert_eq!(one("OIDC-address").as_deref(), Some(r#"{"country":"ES"}"#));
        assert_eq!((one("OIDC-middle_name"), one("OIDC-empty").as_deref()), (None, Some("")));
        assert_eq!(one("REMOTE_USER").as_deref(), Some("bob"));
    }
}
