//! Receipts: what somebody has shown who must show more. Keystone's form: msgpack `[user, methods, expires_at]`, sealed like a token.

use super::{
    fernet,
    payload::{self, METHODS},
};
use crate::{Identity, IdentityError, user::User, user::options};
use controller_base::{Timestamp, id::UserId};
use controller_web::token::DomainRef;
use serde_json::{Value, json};

/// How long a receipt lasts.
const SECONDS: i64 = 300;

/// A receipt to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub text: String,
    user: User,
    domain: DomainRef,
    methods: Vec<String>,
    required: Vec<Vec<String>>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl Receipt {
    /// `{"receipt": .., "required_auth_methods": ..}`.
    pub(crate) fn render(&self) -> Value {
        json!({
            "receipt": {
                "methods": self.methods,
                "user": {"id": self.user.id, "name": self.user.name,
                    "domain": {"id": self.domain.id, "name": self.domain.name}},
                "expires_at": self.expires_at.micros_z(),
                "issued_at": self.issued_at.micros_z(),
            },
            "required_auth_methods": self.required,
        })
    }
}

/// Whether these methods are enough for a user. Rules that name only methods that are not known here bind nobody.
pub(super) fn is_enough(rules: &[Vec<String>], methods: &[String]) -> bool {
    let rules = known(rules);
    rules.is_empty() || rules.iter().any(|rule| rule.iter().all(|method| methods.contains(method)))
}

fn known(rules: &[Vec<String>]) -> Vec<Vec<String>> {
    let known = |rule: &Vec<String>| -> Vec<String> {
        rule.iter().filter(|method| METHODS.contains(&method.as_str())).cloned().collect()
    };
    rules.iter().map(known).filter(|rule| !rule.is_empty()).collect()
}

impl Identity {
    /// A receipt for the methods that a user has shown.
    pub(super) async fn issue_receipt(&self, user: User, methods: Vec<String>) -> Result<Receipt, IdentityError> {
        let domain = crate::project::store::get_domain(&mut *self.db.read().await?, &user.domain_id).await?;
        let domain = domain.ok_or(IdentityError::Unauthorized("the user's domain is gone"))?;
        let now = self.clock.now();
        let expires_at = now.plus_seconds(SECONDS);
        let rules = known(&options::mfa_rules(&user.options));
        let shares = |rule: &Vec<String>| rule.iter().any(|method| methods.contains(method));
        let text = self.seal(&payload::encode_receipt(&user.id, &methods, expires_at));
        Ok(Receipt {
            text,
            domain: DomainRef { id: user.domain_id.clone(), name: domain.name },
            required: rules.into_iter().filter(shares).collect(),
            issued_at: Timestamp(now.0 / 1_000_000 * 1_000_000),
            methods,
            user,
            expires_at,
        })
    }

    /// The methods that a receipt says its user has shown.
    pub(super) fn open_receipt(&self, text: &str, user: &UserId) -> Result<Vec<String>, IdentityError> {
        let bad = || IdentityError::Unauthorized("the receipt is none, has expired or is another user's");
        let (bytes, _) = fernet::open(&self.keys.keys(), text).ok_or_else(bad)?;
        let (whose, methods, end) = payload::decode_receipt(&bytes).ok_or_else(bad)?;
        if whose == *user && end > self.clock.now() { Ok(methods) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_must_be_met_in_full() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(ToString::to_string).collect() };
        let rules = [words(&["password", "totp"]), words(&["application_credential"])];
        assert!(!is_enough(&rules, &words(&["password"])));
        assert!(is_enough(&rules, &words(&["totp", "password"])));
        assert!(is_enough(&rules, &words(&["application_credential"])));
        assert!(is_enough(&[], &words(&["password"])));
        assert!(is_enough(&[words(&["unheard_of"])], &words(&["password"])));
        assert!(!is_enough(&[words(&["unheard_of", "totp"])], &words(&["password"])));
    }
}
