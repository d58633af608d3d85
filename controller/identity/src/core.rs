//! The service's handle and what its parts share.

use crate::{
    IdentityError, MIGRATIONS,
    federation::FederationSettings,
    password::Passwords,
    token::{KeyRepository, cache::Cache},
};
use controller_base::Clock;
use controller_db::{Db, DbError, Dialect, Tx};
use std::{path::PathBuf, sync::Arc};

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the Fernet keys of tokens lie.
    pub token_keys: PathBuf,
    /// Where the Fernet keys of credentials lie.
    pub credential_keys: PathBuf,
    /// How long a token lasts.
    pub token_seconds: i64,
    /// Whether a token with a scope gives one with another.
    pub allow_rescope: bool,
    /// What hashing a password costs.
    pub password_cost: PasswordCost,
    /// Identity providers.
    pub federation: FederationSettings,
}

pub use crate::password::Cost as PasswordCost;

impl Settings {
    /// Embedded defaults below a state directory.
    #[must_use]
    pub fn below(state: &std::path::Path) -> Self {
        Self {
            token_keys: state.join("fernet-keys"),
            credential_keys: state.join("credential-keys"),
            token_seconds: 3600 * 4,
            allow_rescope: true,
            password_cost: PasswordCost::Normal,
            federation: FederationSettings::default(),
        }
    }
}

/// The identity service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRepository,
    pub(crate) credential_keys: KeyRepository,
    pub(crate) passwords: Passwords,
    pub(crate) cache: Arc<Cache>,
    pub(crate) token_seconds: i64,
    pub(crate) allow_rescope: bool,
    pub(crate) federation: Arc<FederationSettings>,
}

impl Identity {
    /// Opens the service: its tables, its keys.
    ///
    /// # Errors
    /// The tables cannot be made or the keys not be read.
    pub async fn open(db: Db, clock: Clock, settings: Settings) -> Result<Self, IdentityError> {
        db.migrate("identity", MIGRATIONS).await?;
        let open = |path: &std::path::Path| {
            KeyRepository::open(path).map_err(|error| IdentityError::Internal(format!("{}: {error}", path.display())))
        };
        Ok(Self {
            keys: open(&settings.token_keys)?,
            credential_keys: open(&settings.credential_keys)?,
            passwords: Passwords::new(settings.password_cost),
            cache: Arc::default(),
            token_seconds: settings.token_seconds,
            allow_rescope: settings.allow_rescope,
            federation: Arc::new(settings.federation),
            db,
            clock,
        })
    }

    /// Makes every cached token be looked at anew once this transaction commits, on all controllers.
    pub(crate) async fn touch(&self, tx: &mut Tx) -> Result<(), DbError> {
        crate::store::next_epoch(tx).await?;
        let cache = self.cache.clone();
        tx.on_commit(move || cache.invalidate());
        Ok(())
    }

    /// The epoch of cached tokens: in memory where this is the only controller.
    pub(crate) async fn epoch(&self) -> Result<i64, DbError> {
        if self.db.dialect() == Dialect::Sqlite {
            return Ok(self.cache.epoch());
        }
        crate::store::epoch(&mut *self.db.read().await?).await
    }
}
