//! The service's handle and what its parts share.

use crate::{
    IdentityError, MIGRATIONS,
    compliance::{Compliance, Strength},
    federation::FederationSettings,
    guesses::Guesses,
    ldap::Directories,
    password::Passwords,
    token::{
        KeyRepository,
        cache::{Cache, PERIOD},
        jws::Signer,
    },
};
use controller_base::Clock;
use controller_db::{Db, DbError, Dialect, Tx};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::MissedTickBehavior;

/// How often keys are looked at; a token that no key opens makes that happen at once.
const ROTATION: Duration = Duration::from_secs(1);

/// What tokens are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// Sealed: only who has the keys can read them.
    #[default]
    Fernet,
    /// Signed claims (ES256): everybody can read them.
    Jws,
}

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What tokens are.
    pub token_format: TokenFormat,
    /// Where the keys of signed tokens lie, where tokens are signed.
    pub signing_keys: PathBuf,
    /// Where the Fernet keys of tokens lie.
    pub token_keys: PathBuf,
    /// Where the Fernet keys of credentials lie.
    pub credential_keys: PathBuf,
    /// How long a token lasts.
    pub token_seconds: i64,
    /// Whether a token with a scope gives one with another.
    pub allow_rescope: bool,
    /// What passwords and accounts must be like.
    pub compliance: Compliance,
    /// What hashing a password costs.
    pub password_cost: PasswordCost,
    /// Identity providers.
    pub federation: FederationSettings,
    /// Where files with the configurations of single domains lie, if there are such.
    pub domain_configs: Option<PathBuf>,
    /// The most items of a list; a longer one says `"truncated": true`.
    pub list_limit: Option<usize>,
    /// How deep projects may lie below their domain.
    pub project_depth: usize,
    /// How limits of projects and domains relate.
    pub limit_model: LimitModel,
    /// How many events the log keeps.
    pub events_kept: i64,
}

pub use crate::{limit::Model as LimitModel, password::Cost as PasswordCost};

impl Settings {
    /// Embedded defaults below a state directory.
    #[must_use]
    pub fn below(state: &std::path::Path) -> Self {
        Self {
            token_format: TokenFormat::Fernet,
            signing_keys: state.join("jws-keys"),
            token_keys: state.join("fernet-keys"),
            credential_keys: state.join("credential-keys"),
            token_seconds: 3600 * 4,
            allow_rescope: true,
            compliance: Compliance::default(),
            password_cost: PasswordCost::Normal,
            federation: FederationSettings::default(),
            domain_configs: None,
            list_limit: None,
            project_depth: 5,
            limit_model: LimitModel::Flat,
            events_kept: 100_000,
        }
    }
}

/// The identity service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRepository,
    /// Where tokens are signed, not sealed.
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) credential_keys: KeyRepository,
    pub(crate) passwords: Passwords,
    pub(crate) cache: Arc<Cache>,
    pub(crate) token_seconds: i64,
    pub(crate) allow_rescope: bool,
    pub(crate) federation: Arc<FederationSettings>,
    pub(crate) compliance: Arc<Compliance>,
    pub(crate) strength: Arc<Strength>,
    pub(crate) guesses: Arc<Guesses>,
    pub(crate) directories: Arc<Directories>,
    pub(crate) list_limit: Option<usize>,
    pub(crate) project_depth: usize,
    pub(crate) limit_model: LimitModel,
    pub(crate) events: crate::EventLog,
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
        let broken = |error| IdentityError::Internal(format!("password_regex: {error}"));
        let strength = settings.compliance.strength().map_err(broken)?;
        let signer = match settings.token_format {
            TokenFormat::Fernet => None,
            TokenFormat::Jws => {
                let path = &settings.signing_keys;
                let signer = Signer::open(path);
                let signer = signer.map_err(|error| IdentityError::Internal(format!("{}: {error}", path.display())))?;
                Some(Arc::new(signer))
            }
        };
        let opened = Self {
            signer,
            keys: open(&settings.token_keys)?,
            credential_keys: open(&settings.credential_keys)?,
            passwords: Passwords::new(settings.password_cost),
            cache: Arc::default(),
            token_seconds: settings.token_seconds,
            allow_rescope: settings.allow_rescope,
            federation: Arc::new(settings.federation),
            strength: Arc::new(strength),
            guesses: Arc::new(Guesses::new(settings.compliance.guesses_per_minute)),
            compliance: Arc::new(settings.compliance),
            directories: Arc::new(Directories::read(settings.domain_configs.as_deref())?),
            list_limit: settings.list_limit,
            project_depth: settings.project_depth,
            limit_model: settings.limit_model,
            events: crate::EventLog::open(db.clone(), settings.events_kept),
            db,
            clock,
        };
        opened.keep_up();
        Ok(opened)
    }

    /// Follows what others change, as long as the service is there: the epoch of a shared database, and rotated keys.
    fn keep_up(&self) {
        let (db, cache) = (self.db.clone(), Arc::downgrade(&self.cache));
        if db.dialect() != Dialect::Sqlite {
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(PERIOD);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    let Some(cache) = cache.upgrade() else { return };
                    // Without an answer requests look for themselves, and fail if they get none either.
                    if let Err(error) = look(&db, &cache).await {
                        tracing::debug!(%error, "the epoch of tokens is not known");
                    }
                }
            });
        }
        let (keys, credential_keys, cache) =
            (self.keys.clone(), self.credential_keys.clone(), Arc::downgrade(&self.cache));
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(ROTATION);
            while cache.strong_count() > 0 {
                ticks.tick().await;
                keys.refresh();
                credential_keys.refresh();
            }
        });
    }

    /// Makes every cached token be looked at anew once this transaction commits, on all controllers.
    pub(crate) async fn touch(&self, tx: &mut Tx) -> Result<(), DbError> {
        crate::store::next_epoch(tx).await?;
        let cache = self.cache.clone();
        tx.on_commit(move || cache.invalidate());
        Ok(())
    }

    /// The epoch of cached tokens. No I/O as long as the task that looks at the database keeps up; else a connection is taken, so
    /// who has one must not ask.
    pub(crate) async fn epoch(&self) -> Result<i64, DbError> {
        if self.db.dialect() != Dialect::Sqlite && !self.cache.is_fresh(Instant::now()) {
            // One looks for all that wait.
            let _turn = self.cache.turn.lock().await;
            if !self.cache.is_fresh(Instant::now()) {
                look(&self.db, &self.cache).await?;
            }
        }
        Ok(self.cache.epoch())
    }
}

/// Looks at the epoch of a shared database.
async fn look(db: &Db, cache: &Cache) -> Result<(), DbError> {
    let began = Instant::now();
    let epoch = crate::store::epoch(&mut *db.read().await?).await?;
    cache.saw(epoch, began);
    Ok(())
}
