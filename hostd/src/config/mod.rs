//! hostd's configuration file. Every value has a default; a name that is not known is refused.
//!
//! The commented default file is [`DEFAULT_FILE`]; `hostd config` prints it.

mod sections;

use hostd_kit::paths::Layout;
use humilis_trace::{LogConfig, TraceConfig};
use serde::Deserialize;
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use sections::{Controller, Guests, Images, Local, Network, Physical, Resources};

/// The default configuration with its explanations.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where hostd keeps everything that outlives it.
    pub state_dir: PathBuf,
    /// Where images and guests' disks lie; empty: in the state directory.
    pub data_dir: PathBuf,
    /// The host's name; empty: the system's.
    pub hostname: String,
    /// The controller and how to become its host.
    pub controller: Controller,
    /// What the host offers.
    pub resources: Resources,
    /// Guests' processes.
    pub guests: Guests,
    /// The image cache.
    pub images: Images,
    /// The network.
    pub network: Network,
    /// What listens on this host alone.
    pub local: Local,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where traces go.
    pub trace: TraceConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/humilis/hostd".into(),
            data_dir: PathBuf::new(),
            hostname: String::new(),
            controller: Controller::default(),
            resources: Resources::default(),
            guests: Guests::default(),
            images: Images::default(),
            network: Network::default(),
            local: Local::default(),
            log: LogConfig::default(),
            trace: TraceConfig::default(),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not TOML, or has unknown names or wrong values.
    #[error("{path} is no valid configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or is not valid.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    /// Where files lie.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let layout = Layout::new(&self.state_dir);
        if self.data_dir.as_os_str().is_empty() { layout } else { layout.with_data(&self.data_dir) }
    }

    /// Where other hosts get images from this one, if they do.
    #[must_use]
    pub fn images_address(&self) -> Option<SocketAddr> {
        let address = self.network.underlay_address.filter(|_| self.images.hosts_served > 0)?;
        Some(SocketAddr::new(address, self.images.port))
    }

    /// The host's name.
    #[must_use]
    pub fn hostname(&self) -> String {
        if !self.hostname.is_empty() {
            return self.hostname.clone();
        }
        nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "localhost".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_the_defaults() {
        assert_eq!(toml::from_str::<Config>(DEFAULT_FILE).unwrap(), Config::default());
    }

    #[test]
    fn an_empty_file_is_enough_and_a_misspelt_one_is_not() {
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        assert!(toml::from_str::<Config>("stat_dir = '/x'").is_err());
        assert!(toml::from_str::<Config>("[guests]\nvm = '/x'").is_err());
    }

    #[test]
    fn a_physical_network_is_a_table_of_its_name() {
        let text = "[network.physical.external]\ninterface = 'br-ex'\nhost_addresses = ['203.0.113.1/24']\n";
        let config: Config = toml::from_str(text).unwrap();
        let net = config.network.to_net();
        assert_eq!(net.physical_networks["external"].interface, "br-ex");
        assert!(!net.physical_networks["external"].create);
    }
}
