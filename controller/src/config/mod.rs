//! What an operator can set. Everything has a default; unknown settings are refused. `default.toml` shows all of it.

mod listen;

pub use listen::{AdminConfig, ApiConfig, FederationConfig, MetricsConfig, Tls};

use anyhow::{Context as _, bail};
use controller_base::Secret;
use humilis_trace::{LogConfig, TraceConfig};
use serde::Deserialize;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// The commented file with every default.
pub const DEFAULT: &str = include_str!("default.toml");

/// Where the file is looked for when none is named.
const USUAL_PLACE: &str = "/etc/humilis/controller.toml";

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Database, keys, certificates and images lie below it.
    pub state_directory: PathBuf,
    /// Threads that serve requests.
    pub worker_threads: usize,
    /// Section `database`.
    pub database: DatabaseConfig,
    /// Section `api`.
    pub api: ApiConfig,
    /// Section `federation`.
    pub federation: FederationConfig,
    /// Section `admin`.
    pub admin: AdminConfig,
    /// Section `metrics`.
    pub metrics: MetricsConfig,
    /// Section `log`.
    pub log: LogConfig,
    /// Section `trace`.
    pub trace: TraceConfig,
    /// Section `identity`.
    pub identity: IdentityConfig,
    /// Section `image`.
    pub image: ImageConfig,
    /// Section `update`.
    pub update: UpdateConfig,
    /// Section `network`.
    pub network: controller_network::NetworkConfig,
    /// Section `placement`.
    pub placement: controller_placement::Config,
    /// Section `compute`.
    pub compute: controller_compute::Config,
    /// Where the operator's policy files lie, one a service: `identity.yaml`.
    pub policy_directory: PathBuf,
    /// Sections `policy.<service>`: rules that replace the defaults.
    pub policy: HashMap<String, HashMap<String, String>>,
}

/// Section `database`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:..` or `postgres:..`; empty: SQLite in the state directory. It may hold a password.
    pub url: Secret,
}

/// Section `identity`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// The region of the endpoints.
    pub region: String,
    /// How long a token lasts, seconds.
    pub token_seconds: i64,
    /// What tokens are.
    pub token_format: controller_identity::TokenFormat,
    /// Whether a token with a scope gives one with another.
    pub allow_rescope_scoped_token: bool,
    /// What passwords and accounts must be like.
    pub security_compliance: controller_identity::Compliance,
    /// The first administrator's name.
    pub admin_user: String,
    /// The first administrator's password; empty: one is made and written to `clouds.yaml` in the state directory.
    pub admin_password: Secret,
    /// The first administrator's project.
    pub admin_project: String,
    /// Where files with the configurations of single domains lie; empty: nowhere.
    pub domain_config_directory: PathBuf,
    /// Section `identity.federation`.
    pub federation: controller_identity::federation::FederationConfig,
    /// Sections `identity.oidc.<name>`: providers of OpenID Connect.
    pub oidc: HashMap<String, controller_identity::federation::oidc::OidcConfig>,
    /// The most items of a list; 0: all.
    pub list_limit: usize,
    /// How deep projects may lie below their domain.
    pub max_project_tree_depth: usize,
    /// How limits of projects and domains relate.
    pub limit_model: LimitModel,
    /// How many events the log keeps.
    pub events_kept: i64,
}

/// How limits of projects and domains relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitModel {
    /// Not at all.
    Flat,
    /// A project's limit is never above its domain's.
    StrictTwoLevel,
}

/// Section `image`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageConfig {
    /// Where the bytes lie; empty: `images` in the state directory.
    pub directory: PathBuf,
    /// The most bytes of one image.
    pub max_bytes: u64,
}

/// Section `update`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateConfig {
    /// Files with the keys of those whose bundles are taken.
    pub keys: Vec<PathBuf>,
    /// The most bytes of one bundle.
    pub max_bytes: u64,
    /// How many bundles are kept.
    pub kept: usize,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        let limits = controller_fleet::update::Limits::default();
        Self { keys: humilis_update::key_files(), max_bytes: limits.bytes, kept: limits.bundles }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_directory: "/var/lib/humilis/controller".into(),
            worker_threads: 2,
            database: DatabaseConfig::default(),
            api: ApiConfig::default(),
            federation: FederationConfig::default(),
            admin: AdminConfig::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig::default(),
            trace: TraceConfig::default(),
            identity: IdentityConfig::default(),
            image: ImageConfig::default(),
            update: UpdateConfig::default(),
            network: controller_network::NetworkConfig::default(),
            placement: controller_placement::Config::default(),
            compute: controller_compute::Config::default(),
            policy_directory: "/etc/humilis/policy".into(),
            policy: HashMap::new(),
        }
    }
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            region: "RegionOne".to_owned(),
            token_seconds: 14_400,
            token_format: controller_identity::TokenFormat::Fernet,
            allow_rescope_scoped_token: true,
            security_compliance: controller_identity::Compliance::default(),
            admin_user: "admin".to_owned(),
            admin_password: Secret::default(),
            admin_project: "admin".to_owned(),
            domain_config_directory: PathBuf::new(),
            federation: controller_identity::federation::FederationConfig::default(),
            oidc: HashMap::new(),
            list_limit: 0,
            max_project_tree_depth: 5,
            limit_model: LimitModel::Flat,
            events_kept: 100_000,
        }
    }
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self { directory: PathBuf::new(), max_bytes: 1 << 40 }
    }
}

impl Config {
    /// Reads the named file, or the usual one if it is there, or takes the defaults.
    ///
    /// # Errors
    /// The file cannot be read or holds what it may not.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) => path,
            None if Path::new(USUAL_PLACE).exists() => Path::new(USUAL_PLACE),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not valid", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.placement.validated()?;
        if config.worker_threads == 0 {
            bail!("worker_threads must not be 0");
        }
        if let Err(error) = config.identity.security_compliance.strength() {
            bail!("identity.security_compliance.password_regex: {error}");
        }
        if config.federation.host_certificate_seconds < 10 {
            bail!("federation.host_certificate_seconds must be 10 or more");
        }
        if config.identity.token_seconds <= 0 {
            bail!("identity.token_seconds must be positive");
        }
        Ok(config)
    }

    /// The database's URL.
    #[must_use]
    pub fn database_url(&self) -> Secret {
        if !self.database.url.reveal().is_empty() {
            return self.database.url.clone();
        }
        Secret::new(format!("sqlite:{}?mode=rwc", self.state_directory.join("controller.db").display()))
    }

    /// Where image bytes lie.
    #[must_use]
    pub fn image_directory(&self) -> PathBuf {
        if self.image.directory.as_os_str().is_empty() {
            self.state_directory.join("images")
        } else {
            self.image.directory.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_what_the_program_does() {
        let read = Config::parse(DEFAULT).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn the_default_file_names_every_setting_of_the_binary() {
        for name in
            ["state_directory", "worker_threads", "url", "listen", "public_url", "tls", "names", "filter", "region"]
        {
            assert!(DEFAULT.contains(&format!("{name} = ")), "{name}");
        }
    }

    #[test]
    fn unknown_and_senseless_settings_are_refused() {
        assert!(Config::parse("nonsense = 1").is_err());
        assert!(Config::parse("[api]\nlisten_to = 1").is_err());
        assert!(Config::parse("worker_threads = 0").is_err());
        assert!(Config::parse("[federation]\nhost_certificate_seconds = 9").is_err());
        assert!(Config::parse("[placement]\nmemory_percent = 0").is_err());
        assert!(Config::parse("[placement]\norder = \"stack\"").is_err());
        assert!(Config::parse("[placement]\norder = \"pack\"").is_ok());
    }

    #[test]
    fn the_state_directory_holds_what_has_no_place_of_its_own() {
        let config = Config::parse("state_directory = '/s'").unwrap();
        assert_eq!(config.database_url().reveal(), "sqlite:/s/controller.db?mode=rwc");
        assert_eq!(config.image_directory(), Path::new("/s/images"));
    }
}
