//! Tokens for signed requests.

use super::signature::{Refused, Signed};
use crate::{
    Identity, IdentityError,
    credential::Credential,
    token::{
        authenticate::{ProjectName, Wanted},
        payload::{Origin, ScopeId},
        prove::Proven,
    },
};
use controller_base::Secret;
use controller_web::TokenInfo;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The id of the credential that keeps an access key.
pub(crate) fn credential_id(access: &str) -> String {
    hex::encode(Sha256::digest(access.as_bytes()))
}

impl Identity {
    /// An access key.
    pub(crate) async fn access_key(&self, access: &str) -> Result<Credential, IdentityError> {
        let credential = self.credential(&credential_id(access)).await?;
        if credential.kind == "ec2" { Ok(credential) } else { Err(IdentityError::Unauthorized("no access key")) }
    }

    /// A token for whoever signed a request, if `check` finds the signature right.
    pub(crate) async fn token_for_signed(
        &self,
        signed: &Signed,
        check: fn(&Signed, &Secret) -> Result<(), Refused>,
    ) -> Result<(String, TokenInfo), IdentityError> {
        let access = signed.access.as_deref().ok_or(IdentityError::Unauthorized("no access key is named"))?;
        let missing = || IdentityError::Missing("EC2 access key not found.".to_owned());
        let credential = match self.access_key(access).await {
            Err(IdentityError::NotFound { .. } | IdentityError::Unauthorized(_)) => return Err(missing()),
            other => other?,
        };
        let blob: Value = serde_json::from_str(&credential.blob).map_err(|_| missing())?;
        let word = |name: &str| blob.get(name).and_then(Value::as_str);
        let secret = Secret::new(word("secret").filter(|secret| !secret.is_empty()).ok_or_else(missing)?);
        let refused = |_| IdentityError::Unauthorized("the signature is not taken");
        check(signed, &secret).map_err(refused)?;
        signed.is_in_time(self.clock.now()).map_err(refused)?;
        let project = credential.project_id.clone().ok_or_else(missing)?;
        let wanted = Wanted::Project(ProjectName::Id(project.to_string()));
        let mut owner = credential.user_id.clone();
        let mut wanted_scope = wanted;
        if let Some(id) = word("trust_id") {
            let trust = self.trust(id).await?;
            if trust.impersonation {
                owner = trust.trustee;
            }
            wanted_scope = Wanted::Trust(id.to_owned());
        }
        let gone = || IdentityError::Unauthorized("the user is gone or disabled");
        let user = crate::user::store::get(&mut *self.db.read().await?, &owner).await?.ok_or_else(gone)?;
        self.check_account(&user, &self.activity(&user).await?)?;
        let mut proven = Proven::new(user, "ec2credential");
        if let Some(id) = word("app_cred_id") {
            proven.origin = Origin::ApplicationCredential(id.to_owned());
            proven.scope = Some(ScopeId::Project(project));
            proven.until = self.application_credential(id).await?.expires_at;
        }
        self.issue(proven, wanted_scope).await
    }
}
