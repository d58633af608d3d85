//! Who may do what: the services' rules, the configuration's, the operator's files; and the watch over those files.

use crate::config::Config;
use controller_web::{
    Policy,
    policy::{Sources, load::Look},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// What the rules are made of.
///
/// # Errors
/// The configuration has rules for a service that does not exist.
pub fn sources(config: &Config) -> anyhow::Result<Sources> {
    let services = super::rules();
    if let Some(unknown) = config.policy.keys().find(|name| !services.iter().any(|(service, _)| service == name)) {
        anyhow::bail!("policy.{unknown}: there is no such service");
    }
    Ok(Sources {
        services,
        scopes: vec![
            ("identity", controller_identity::policy::SCOPES),
            ("placement", controller_placement::policy::SCOPES),
        ],
        overrides: config.policy.clone(),
        directory: Some(config.policy_directory.clone()),
    })
}

/// The rules in force.
pub struct Live {
    /// What the services ask.
    pub running: Arc<Policy>,
    sources: Arc<Sources>,
    /// What the files looked like before they were read: no change after that is missed.
    known: Look,
}

impl Live {
    /// Reads everything. What is wrong in a file is logged and allows nothing; the rest holds.
    ///
    /// # Errors
    /// The configuration itself is wrong.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let sources = sources(config)?;
        let known = sources.look();
        let (policy, errors) = sources.load_what_can_be()?;
        for error in errors {
            tracing::error!(%error, "a policy rule is wrong and allows nothing until it is mended");
        }
        Ok(Self { running: Arc::new(policy), sources: Arc::new(sources), known })
    }

    /// Takes changed files up as long as anybody asks these rules. Files that are wrong change nothing.
    pub fn watch(&self) {
        tokio::spawn(watch(Arc::downgrade(&self.running), self.sources.clone(), self.known.clone()));
    }
}

async fn watch(running: Weak<Policy>, sources: Arc<Sources>, mut known: Look) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(running) = running.upgrade() else { return };
        let now = look(&sources).await;
        if now == known {
            continue;
        }
        known = now;
        match sources.load() {
            Ok(policy) => {
                running.replace(&policy);
                tracing::info!("the policy files have changed: the new rules hold");
            }
            Err(error) => tracing::error!(%error, "the policy files have changed and are wrong: the old rules hold"),
        }
    }
}

/// Off the threads that serve requests.
async fn look(sources: &Arc<Sources>) -> Look {
    let sources = sources.clone();
    tokio::task::spawn_blocking(move || sources.look()).await.unwrap_or_default()
}
