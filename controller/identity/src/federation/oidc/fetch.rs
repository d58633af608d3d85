//! Asking a provider over HTTP: bounded, without redirects, over TLS unless it is on this machine.

use super::ProofError;
use controller_base::Secret;
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may be, bytes.
const LONGEST: usize = 1 << 20;

/// A client of providers.
#[derive(Clone, Debug)]
pub(super) struct Fetch(reqwest::Client);

impl Fetch {
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, ProofError> {
        // Whoever came first has installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("humilis");
        if let Some(path) = ca_file {
            let wrong = |error: &dyn std::fmt::Display| ProofError::Refused(format!("{}: {error}", path.display()));
            let pem = fs::read(path).map_err(|error| wrong(&error))?;
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(&error))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map(Self).map_err(|error| ProofError::Refused(error.to_string()))
    }

    /// A JSON document, perhaps with a bearer token.
    pub(super) async fn get(&self, url: &str, token: Option<&str>) -> Result<Value, ProofError> {
        let mut request = self.0.get(address(url).map_err(ProofError::Unavailable)?);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        answer(request, url).await
    }

    /// A form, by a client that says who it is.
    pub(super) async fn post(
        &self,
        url: &str,
        form: &[(&str, &str)],
        (id, secret): (&str, &Secret),
    ) -> Result<Value, ProofError> {
        let mut request = self.0.post(address(url).map_err(ProofError::Unavailable)?);
        let mut form = form.to_vec();
        if secret.reveal().is_empty() {
            form.push(("client_id", id));
        } else {
            // RFC 6749, 2.3.1: both are form-encoded before they are joined.
            let quoted =
                |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            request = request.basic_auth(quoted(id), Some(quoted(secret.reveal())));
        }
        answer(request.form(&form), url).await
    }
}

/// A URL that may be fetched.
pub(super) fn address(url: &str) -> Result<reqwest::Url, String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("{url:?}: {error}"))?;
    let local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if local => Ok(parsed),
        _ => Err(format!("{url:?} is not https")),
    }
}

async fn answer(request: reqwest::RequestBuilder, url: &str) -> Result<Value, ProofError> {
    let failed = |error: reqwest::Error| ProofError::Unavailable(format!("{url}: {}", error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > LONGEST {
            return Err(ProofError::Unavailable(format!("{url}: the answer is too long")));
        }
        bytes.extend_from_slice(&chunk);
    }
    if status.is_client_error() {
        return Err(ProofError::Refused(format!("{url} answers {status}")));
    }
    if !status.is_success() {
        return Err(ProofError::Unavailable(format!("{url} answers {status}")));
    }
    serde_json::from_slice(&bytes).map_err(|error| ProofError::Unavailable(format!("{url}: no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_speak_in_the_clear() {
        for good in ["https://idp.test/x", "http://127.0.0.1:1/x", "http://localhost/", "http://[::1]:9/"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["http://idp.test/", "file:///etc/passwd", "", "idp.test", "http://localhost.evil.test/"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
