//! Sections about sockets.

use serde::Deserialize;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// Section `api`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where the REST APIs are served.
    pub listen: SocketAddr,
    /// Where clients find them, without a slash at the end; empty: made from `listen`.
    pub public_url: String,
    /// How it is secured.
    pub tls: Tls,
    /// With `tls = "files"`: the certificate chain, PEM.
    pub certificate: PathBuf,
    /// With `tls = "files"`: its key, PEM.
    pub key: PathBuf,
    /// With `tls = "authority"`: further names and addresses of the certificate.
    pub names: Vec<String>,
}

/// How the REST APIs are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// By a certificate of the federation's own authority; `ca.pem` in the state directory vouches for it.
    Authority,
    /// By the operator's certificate.
    Files,
    /// Not at all: something before the controller does it.
    Off,
}

/// Section `federation`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FederationConfig {
    /// Where hosts dial in.
    pub listen: SocketAddr,
    /// Names and addresses under which hosts dial; those of the API come by themselves.
    pub names: Vec<String>,
    /// How long a host's certificate holds, seconds; hosts renew theirs after two thirds of it.
    pub host_certificate_seconds: i64,
}

/// Section `admin`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Where the operators' gRPC API is served, secured as the REST APIs are.
    pub listen: SocketAddr,
}

/// Section `metrics`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Where `/metrics` is served, unsecured.
    pub listen: SocketAddr,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            public_url: String::new(),
            tls: Tls::Authority,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            names: Vec::new(),
        }
    }
}

impl Default for FederationConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([0, 0, 0, 0], 8444));
        Self { listen, names: Vec::new(), host_certificate_seconds: 30 * 86_400 }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8447)) }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8445)) }
    }
}

impl ApiConfig {
    /// Where clients find the APIs.
    #[must_use]
    pub fn base_url(&self) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.trim_end_matches('/').to_owned();
        }
        let scheme = if self.tls == Tls::Off { "http" } else { "https" };
        let host = match self.listen.ip() {
            ip if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            ip => ip,
        };
        format!("{scheme}://{}", SocketAddr::new(host, self.listen.port()))
    }

    /// Names and addresses of a certificate: the public URL's, loopback's, the configured.
    #[must_use]
    pub fn certificate_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names.clone();
        let url = self.base_url().parse::<http::Uri>().ok();
        names.extend(url.and_then(|url| url.host().map(|host| host.trim_matches(['[', ']']).to_owned())));
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_follows_the_listener() {
        let mut api = ApiConfig::default();
        assert_eq!(api.base_url(), "https://127.0.0.1:8443");
        api.tls = Tls::Off;
        api.listen = "[fd00::1]:80".parse().unwrap();
        assert_eq!(api.base_url(), "http://[fd00::1]:80");
        assert!(api.certificate_names().contains(&"fd00::1".to_owned()));
        api.public_url = "https://cloud.example/".to_owned();
        assert_eq!(api.base_url(), "https://cloud.example");
        assert!(api.certificate_names().contains(&"cloud.example".to_owned()));
    }
}
