//! Hashing passwords: Argon2id, on threads of their own, few at once.

use crate::IdentityError;
use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString},
};
use controller_base::Secret;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

const ALGORITHM: Algorithm = Algorithm::Argon2id;
const VERSION: Version = Version::V0x13;
/// Hashes at once; each takes 7 MiB while it lasts.
const AT_ONCE: usize = 2;
/// Blocks of memory, of 1 KiB each, that one hash may keep for the next.
const KEPT: usize = 8 * 1024;

/// How hard hashing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// OWASP's Argon2id with the least memory: 7 MiB, five passes.
    Normal,
    /// Next to nothing, for tests.
    Test,
}

impl Cost {
    fn params(self) -> argon2::Result<Params> {
        let (memory, passes) = match self {
            Self::Normal => (7 * 1024, 5),
            Self::Test => (8, 1),
        };
        Params::new(memory, passes, 1, None)
    }
}

/// Hashes and checks.
#[derive(Clone, Debug)]
pub struct Passwords {
    cost: Cost,
    slots: Arc<Semaphore>,
    /// Checked instead of a user's hash where there is no such user, so that both take the same time; no password's.
    decoy: Arc<str>,
    scratch: Scratch,
}

/// The memory in which hashes are made, kept for the next ones: getting fresh pages takes a tenth of a hash's time.
#[derive(Clone, Debug, Default)]
struct Scratch(Arc<Mutex<Vec<Vec<Block>>>>);

impl Scratch {
    fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = lock().pop().unwrap_or_default();
        memory.resize(blocks, Block::new());
        let done = work(&mut memory);
        // What an imported hash needs beyond our own is not kept.
        if memory.capacity() <= KEPT {
            lock().push(memory);
        }
        done
    }
}

impl Passwords {
    /// With nothing hashed yet.
    #[must_use]
    pub fn new(cost: Cost) -> Self {
        let decoy = decoy(cost).unwrap_or_default().into();
        Self { cost, slots: Arc::new(Semaphore::new(AT_ONCE)), decoy, scratch: Scratch::default() }
    }

    /// The hash to be stored, in PHC form.
    ///
    /// # Errors
    /// Only when the process is ending.
    pub async fn hash(&self, password: &Secret) -> Result<String, IdentityError> {
        let (cost, password, scratch) = (self.cost, password.clone(), self.scratch.clone());
        self.apart(move || hash(cost, password.reveal(), &scratch)).await?
    }

    /// Whether it is the password; without a hash it never is, after the same time.
    ///
    /// # Errors
    /// Only when the process is ending.
    pub async fn verify(&self, password: &Secret, stored: Option<String>) -> Result<bool, IdentityError> {
        let (password, decoy, scratch) = (password.clone(), self.decoy.clone(), self.scratch.clone());
        self.apart(move || {
            let right = verify(password.reveal(), stored.as_deref().unwrap_or(&decoy), &scratch);
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

fn hash(cost: Cost, password: &str, scratch: &Scratch) -> Result<String, IdentityError> {
    try_hash(cost, password, scratch).map_err(|error| IdentityError::Internal(format!("password hashing: {error}")))
}

fn try_hash(cost: Cost, password: &str, scratch: &Scratch) -> argon2::password_hash::Result<String> {
    let (params, salt) = (cost.params()?, random_salt()?);
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    digest((ALGORITHM, VERSION, params.clone()), password, salt.as_salt(), &mut out, scratch)?;
    in_phc_form(&params, salt.as_salt(), &out)
}

/// Random bytes where a hash would be. To make one of some password would be most of a controller's start.
fn decoy(cost: Cost) -> argon2::password_hash::Result<String> {
    in_phc_form(&cost.params()?, random_salt()?.as_salt(), &rand::random::<[u8; Params::DEFAULT_OUTPUT_LEN]>())
}

fn random_salt() -> argon2::password_hash::Result<SaltString> {
    SaltString::encode_b64(&rand::random::<[u8; 16]>())
}

fn in_phc_form(params: &Params, salt: Salt<'_>, out: &[u8]) -> argon2::password_hash::Result<String> {
    let hash = PasswordHash {
        algorithm: ALGORITHM.ident(),
        version: Some(VERSION.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(salt),
        hash: Some(Output::new(out)?),
    };
    Ok(hash.to_string())
}

fn digest(
    (algorithm, version, params): (Algorithm, Version, Params),
    password: &str,
    salt: Salt<'_>,
    out: &mut [u8],
    scratch: &Scratch,
) -> argon2::password_hash::Result<()> {
    let mut bytes = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut bytes)?;
    let blocks = params.block_count();
    let argon = Argon2::new(algorithm, version, params);
    Ok(scratch.with(blocks, |memory| argon.hash_password_into_with_memory(password.as_bytes(), salt, out, memory))?)
}

fn verify(password: &str, stored: &str, scratch: &Scratch) -> bool {
    if stored.starts_with("$2") {
        return bcrypt::verify(password, stored).unwrap_or(false);
    }
    is_argon2_of(password, stored, scratch).unwrap_or(false)
}

fn is_argon2_of(password: &str, stored: &str, scratch: &Scratch) -> argon2::password_hash::Result<bool> {
    let hash = PasswordHash::new(stored)?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
    let algorithm = Algorithm::try_from(hash.algorithm)?;
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from)?;
    let mut found = vec![0; expected.len()];
    digest((algorithm, version, Params::try_from(&hash)?), password, salt, &mut found, scratch)?;
    Ok(found.ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordVerifier;

    #[tokio::test]
    async fn only_the_right_password_of_a_user_is_right() {
        let passwords = Passwords::new(Cost::Test);
        let stored = passwords.hash(&Secret::new("right")).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(passwords.verify(&Secret::new("right"), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("wrong"), Some(stored)).await.unwrap());
        assert!(!passwords.verify(&Secret::new("right"), None).await.unwrap());
    }

    #[test]
    fn the_decoy_costs_what_a_hash_costs() {
        let passwords = Passwords::new(Cost::Normal);
        let stored = hash(Cost::Normal, "right", &passwords.scratch).unwrap();
        let head = |hash: &str| hash.rsplitn(3, '$').nth(2).unwrap().to_owned();
        assert_eq!(head(&passwords.decoy), head(&stored));
        assert_eq!(passwords.decoy.len(), stored.len());
    }

    #[tokio::test]
    async fn memory_of_one_hash_serves_another_of_any_size() {
        let passwords = Passwords::new(Cost::Test);
        for cost in [Cost::Normal, Cost::Test, Cost::Normal] {
            let stored = hash(cost, "right", &passwords.scratch).unwrap();
            let library = PasswordHash::new(&stored).unwrap();
            assert!(Argon2::default().verify_password(b"right", &library).is_ok(), "{stored}");
            assert!(verify("right", &stored, &passwords.scratch) && !verify("wrong", &stored, &passwords.scratch));
        }
        assert!(!verify("x", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ", &passwords.scratch), "no hash in it");
        assert_eq!(passwords.scratch.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_hash_of_keystone_is_understood() {
        let stored = bcrypt::hash("secret", 4).unwrap();
        let passwords = Passwords::new(Cost::Test);
        assert!(passwords.verify(&Secret::new("secret"), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("other"), Some(stored)).await.unwrap());
    }
}
