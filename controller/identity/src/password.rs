//! Hashing passwords: Argon2id, on threads of their own, few at once.

use crate::IdentityError;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use controller_base::Secret;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Hashes at once; each takes 7 MiB while it lasts.
const AT_ONCE: usize = 2;

/// How hard hashing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// OWASP's Argon2id with the least memory: 7 MiB, five passes.
    Normal,
    /// Next to nothing, for tests.
    Test,
}

/// Hashes and checks.
#[derive(Clone, Debug)]
pub struct Passwords {
    cost: Cost,
    slots: Arc<Semaphore>,
    /// Checked instead of a user's hash where there is no such user, so that both take the same time.
    decoy: Arc<str>,
}

impl Passwords {
    /// With nothing hashed yet.
    #[must_use]
    pub fn new(cost: Cost) -> Self {
        let decoy = hash(cost, "decoy").unwrap_or_default();
        Self { cost, slots: Arc::new(Semaphore::new(AT_ONCE)), decoy: decoy.into() }
    }

    /// The hash to be stored, in PHC form.
    ///
    /// # Errors
    /// Only when the process is ending.
    pub async fn hash(&self, password: &Secret) -> Result<String, IdentityError> {
        let (cost, password) = (self.cost, password.clone());
        self.apart(move || hash(cost, password.reveal())).await?
    }

    /// Whether it is the password; without a hash it never is, after the same time.
    ///
    /// # Errors
    /// Only when the process is ending.
    pub async fn verify(&self, password: &Secret, stored: Option<String>) -> Result<bool, IdentityError> {
        let (password, decoy) = (password.clone(), self.decoy.clone());
        self.apart(move || {
            let right = verify(password.reveal(), stored.as_deref().unwrap_or(&decoy));
            right && stored.is_some()
        })
        .await
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, IdentityError> {
        let ending = |what: &str| IdentityError::Internal(format!("password hashing: {what}"));
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| ending("closed"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        done.await.map_err(|_| ending("broke off"))
    }
}

fn hash(cost: Cost, password: &str) -> Result<String, IdentityError> {
    let broken = |error: &dyn std::fmt::Display| IdentityError::Internal(format!("password hashing: {error}"));
    let (memory, passes) = match cost {
        Cost::Normal => (7 * 1024, 5),
        Cost::Test => (8, 1),
    };
    let params = Params::new(memory, passes, 1, None).map_err(|error| broken(&error))?;
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|error| broken(&error))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password(password.as_bytes(), &salt).map_err(|error| broken(&error))?;
    Ok(hash.to_string())
}

fn verify(password: &str, stored: &str) -> bool {
    if stored.starts_with("$2") {
        return bcrypt::verify(password, stored).unwrap_or(false);
    }
    PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_user_is_right() {
        let passwords = Passwords::new(Cost::Test);
        let stored = passwords.hash(&Secret::new("right")).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(passwords.verify(&Secret::new("right"), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("wrong"), Some(stored)).await.unwrap());
        assert!(!passwords.verify(&Secret::new("decoy"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_keystone_is_understood() {
        let stored = bcrypt::hash("secret", 4).unwrap();
        let passwords = Passwords::new(Cost::Test);
        assert!(passwords.verify(&Secret::new("secret"), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("other"), Some(stored)).await.unwrap());
    }
}
