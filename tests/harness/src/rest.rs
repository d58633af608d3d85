//! A small OpenStack client: enough to prepare a cloud and to measure it.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::Once,
    time::{Duration, Instant},
};

/// Who logs in, where.
#[derive(Clone, Debug)]
pub struct Login {
    /// Identity's URL, with `/v3`.
    pub url: String,
    /// The certificate authority, PEM; `None` for plain HTTP.
    pub ca: Option<std::path::PathBuf>,
    /// User of the domain `default`.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Project of the domain `default`.
    pub project: String,
}

/// A logged-in client.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    token: String,
    endpoints: HashMap<String, String>,
    /// The project's id.
    pub project_id: String,
    /// The user's id.
    pub user_id: String,
}

impl Client {
    /// Logs in by password.
    ///
    /// # Errors
    /// When identity cannot be reached or refuses.
    pub async fn login(login: &Login) -> Result<Self> {
        let http = http(login.ca.as_deref())?;
        let domain = json!({"id": "default"});
        let user = json!({"name": login.user, "domain": domain, "password": login.password});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": login.project, "domain": domain}},
        }});
        let answer = http.post(format!("{}/auth/tokens", login.url)).json(&body).send().await?;
        ensure!(answer.status().is_success(), "login failed with {}", answer.status());
        let token = answer.headers().get("x-subject-token").context("identity gave no token")?.to_str()?.to_owned();
        let body: Value = answer.json().await?;
        let mut endpoints = HashMap::new();
        for service in body["token"]["catalog"].as_array().into_iter().flatten() {
            let public = service["endpoints"].as_array().into_iter().flatten().find(|e| e["interface"] == "public");
            if let (Some(kind), Some(url)) = (service["type"].as_str(), public.and_then(|e| e["url"].as_str())) {
                endpoints.insert(kind.to_owned(), url.trim_end_matches('/').to_owned());
            }
        }
        let project_id = body["token"]["project"]["id"].as_str().context("the token has no project")?.to_owned();
        let user_id = body["token"]["user"]["id"].as_str().context("the token has no user")?.to_owned();
        Ok(Self { http, token, endpoints, project_id, user_id })
    }

    /// Logs in as soon as identity answers.
    ///
    /// # Errors
    /// When it does not in time; the error holds what the log of who should answer says.
    pub async fn login_when_up(login: &Login, patience: Duration, log: &Path) -> Result<Self> {
        let end = Instant::now() + patience;
        loop {
            match Self::login(login).await {
                Err(_) if Instant::now() < end => tokio::time::sleep(Duration::from_millis(50)).await,
                other => return other.with_context(|| fs::read_to_string(log).unwrap_or_default()),
            }
        }
    }

    /// The token's text.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a request and gives the answer's body; `Null` when it has none.
    ///
    /// # Errors
    /// When the service is not in the catalog, cannot be reached, or answers with an error; the error holds its body.
    pub async fn call(&self, method: &str, service: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.try_call(method, service, path, body).await?;
        ensure!((200..300).contains(&status), "{method} {service} {path}: {status} {answer}");
        Ok(answer)
    }

    /// The same, but an error status is an answer too.
    ///
    /// # Errors
    /// When the service is not in the catalog or cannot be reached.
    pub async fn try_call(&self, method: &str, service: &str, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let mut request = self.request(method, service, path)?;
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Uploads an image's bytes.
    ///
    /// # Errors
    /// When the file cannot be read or the image service refuses.
    pub async fn upload(&self, image: &str, file: &Path) -> Result<()> {
        let bytes = tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))?;
        let request = self.request("PUT", "image", &format!("/v2/images/{image}/file"))?;
        let answer = request.header("content-type", "application/octet-stream").body(bytes).send().await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("upload failed with {status}: {}", answer.text().await.unwrap_or_default());
        }
        Ok(())
    }

    /// The same session, with the service at this URL instead of the catalog's.
    #[must_use]
    pub fn at(mut self, service: &str, url: String) -> Self {
        self.endpoints.insert(service.to_owned(), url);
        self
    }

    /// Ends another session's token; gives the status.
    ///
    /// # Errors
    /// When identity cannot be reached.
    pub async fn revoke(&self, other: &Self) -> Result<u16> {
        let request = self.request("DELETE", "identity", "/v3/auth/tokens")?;
        Ok(request.header("x-subject-token", &other.token).send().await?.status().as_u16())
    }

    fn request(&self, method: &str, service: &str, path: &str) -> Result<reqwest::RequestBuilder> {
        let base = self.endpoints.get(service).with_context(|| format!("the catalog has no {service}"))?;
        let request = self.http.request(method.parse()?, format!("{base}{path}"));
        Ok(request.header("x-auth-token", &self.token))
    }
}

fn http(ca: Option<&Path>) -> Result<reqwest::Client> {
    static PROVIDER: Once = Once::new();
    // Only the first installation counts; a second one means that it is there.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    // An emulated machine that shares its processors may stand still for longer than the half minute after which a connection would be
    // given up.
    let patient = reqwest::Client::builder().timeout(Duration::from_secs(300)).tcp_user_timeout(None);
    let mut builder = patient.tls_built_in_root_certs(false);
    if let Some(ca) = ca {
        let pem = std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
        builder = builder.add_root_certificate(reqwest::Certificate::from_pem(&pem)?);
    }
    builder.build().context("cannot make an HTTP client")
}
