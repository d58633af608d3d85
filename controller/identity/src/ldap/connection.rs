//! Connections to a directory: TLS, bind, a pool, searches in pages, referrals.

use super::{LdapError, config::LdapConfig, entry::Entry};
use ldap3::{
    Ldap as Handle, LdapConnAsync, LdapConnSettings, Scope, SearchEntry,
    adapters::{Adapter, EntriesOnly, PagedResults},
    parse_refs,
};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Referrals that one search follows.
const MOST_REFERRALS: usize = 8;
/// LDAP's answer to a wrong password.
const INVALID_CREDENTIALS: u32 = 49;

/// A directory, and connections to it that nobody uses just now.
pub(super) struct Ldap {
    pub config: LdapConfig,
    idle: Mutex<Vec<(Instant, Handle)>>,
}

impl fmt::Debug for Ldap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ldap").field("urls", &self.config.urls).finish_non_exhaustive()
    }
}

/// What a search shall find.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub base: String,
    pub scope: Scope,
    pub filter: String,
}

fn refused(error: &ldap3::LdapError) -> LdapError {
    LdapError::Refused(error.to_string())
}

impl Ldap {
    pub(super) fn new(config: LdapConfig) -> Self {
        Self { config, idle: Mutex::default() }
    }

    /// The entries that a search finds; none where its base does not exist.
    pub(super) async fn search(&self, search: &Search) -> Result<Vec<Entry>, LdapError> {
        let mut handle = self.take().await?;
        let (mut found, referrals) = match self.ask(&mut handle, search).await {
            Ok(answer) => answer,
            // The server may have closed a connection that lay idle.
            Err(LdapError::Down(_)) => {
                handle = self.fresh().await?;
                self.ask(&mut handle, search).await?
            }
            Err(other) => return Err(other),
        };
        self.give_back(handle);
        if self.config.chase_referrals {
            found.extend(self.follow(referrals, search).await?);
        }
        Ok(found)
    }

    /// Whether the directory takes this password for this entry; never the empty one, which would be an anonymous bind.
    pub(super) async fn verify(&self, dn: &str, password: &str) -> Result<bool, LdapError> {
        if password.is_empty() || dn.is_empty() {
            return Ok(false);
        }
        let mut handle = self.connect().await?;
        let answer = handle.with_timeout(self.config.timeout).simple_bind(dn, password).await;
        let answer = answer.map_err(|error| LdapError::Down(error.to_string()))?;
        // What becomes of the connection does not matter any more.
        let _ = handle.unbind().await;
        if answer.rc != 0 && answer.rc != INVALID_CREDENTIALS {
            tracing::info!(rc = answer.rc, "the directory refuses a login");
        }
        Ok(answer.rc == 0)
    }

    async fn ask(&self, handle: &mut Handle, search: &Search) -> Result<(Vec<Entry>, Vec<String>), LdapError> {
        let down = |error: ldap3::LdapError| LdapError::Down(error.to_string());
        let mut adapters: Vec<Box<dyn Adapter<'_, _, _>>> = Vec::new();
        if self.config.page_size > 0 {
            // Pages hide referrals: whoever chases them asks for all at once.
            adapters.push(Box::new(EntriesOnly::new()));
            adapters.push(Box::new(PagedResults::new(self.config.page_size)));
        }
        handle.with_timeout(self.config.timeout);
        let mut stream = handle
            .streaming_search_with(adapters, &search.base, search.scope, &search.filter, vec!["*"])
            .await
            .map_err(down)?;
        let (mut found, mut referrals) = (Vec::new(), Vec::new());
        while let Some(entry) = stream.next().await.map_err(down)? {
            if entry.is_ref() {
                referrals.extend(parse_refs(entry.0));
            } else if !entry.is_intermediate() {
                let entry = SearchEntry::construct(entry);
                found.push(Entry { dn: entry.dn, attributes: entry.attrs });
            }
        }
        match stream.finish().await.success() {
            Ok(_) => Ok((found, referrals)),
            // No such object: nothing is found below it. A referral instead of an answer.
            Err(ldap3::LdapError::LdapResult { result }) if matches!(result.rc, 10 | 32) => {
                referrals.extend(result.refs);
                Ok((found, referrals))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    async fn follow(&self, referrals: Vec<String>, search: &Search) -> Result<Vec<Entry>, LdapError> {
        let (mut found, mut left, mut asked) = (Vec::new(), VecDeque::from(referrals), Vec::new());
        while let Some(referral) = left.pop_front() {
            let Some((url, base)) = target(&referral) else { continue };
            if asked.len() >= MOST_REFERRALS || asked.contains(&referral) {
                continue;
            }
            asked.push(referral);
            let mut handle = self.open(&url).await?;
            self.bind(&mut handle).await?;
            let base = if base.is_empty() { search.base.clone() } else { base };
            let (entries, more) = self.ask(&mut handle, &Search { base, ..search.clone() }).await?;
            found.extend(entries);
            left.extend(more);
        }
        Ok(found)
    }

    async fn take(&self) -> Result<Handle, LdapError> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                None => return self.fresh().await,
                Some((since, mut handle)) => {
                    if since.elapsed() < self.config.pool_lifetime && !handle.is_closed() {
                        return Ok(handle);
                    }
                }
            }
        }
    }

    fn give_back(&self, handle: Handle) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.config.pool_size {
            idle.push((Instant::now(), handle));
        }
    }

    /// A new connection of the searching account.
    async fn fresh(&self) -> Result<Handle, LdapError> {
        let mut handle = self.connect().await?;
        self.bind(&mut handle).await?;
        Ok(handle)
    }

    async fn bind(&self, handle: &mut Handle) -> Result<(), LdapError> {
        let Some((user, password)) = &self.config.account else { return Ok(()) };
        let bound = handle.with_timeout(self.config.timeout).simple_bind(user, password.reveal()).await;
        bound.and_then(ldap3::LdapResult::success).map(drop).map_err(|error| refused(&error))
    }

    /// A connection to the first server that answers.
    async fn connect(&self) -> Result<Handle, LdapError> {
        let mut last = LdapError::Down("none is named".to_owned());
        for url in &self.config.urls {
            match self.open(url).await {
                Ok(handle) => return Ok(handle),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn open(&self, url: &str) -> Result<Handle, LdapError> {
        let mut settings = LdapConnSettings::new()
            .set_conn_timeout(self.config.timeout)
            .set_starttls(self.config.starttls && url.starts_with("ldap:"))
            .set_no_tls_verify(!self.config.verify);
        if let Some(config) = self.trust()? {
            settings = settings.set_config(config);
        }
        let opened = LdapConnAsync::with_settings(settings, url).await;
        let (connection, handle) = opened.map_err(|error| LdapError::Down(format!("{url}: {error}")))?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "an LDAP connection ended");
            }
        });
        Ok(handle)
    }

    /// The authorities of the configured file; none: those of the system.
    fn trust(&self) -> Result<Option<Arc<rustls::ClientConfig>>, LdapError> {
        use rustls_pki_types::{CertificateDer, pem::PemObject};
        let (Some(path), true) = (&self.config.ca_file, self.config.verify) else { return Ok(None) };
        let wrong = |reason: String| LdapError::Config { option: "tls_cacertfile", reason };
        let mut roots = rustls::RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Some(Arc::new(config)))
    }
}

/// Where a referral leads: `ldap://host:port` and the base below which to search.
fn target(referral: &str) -> Option<(String, String)> {
    let (scheme, rest) = referral.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "ldap" && scheme != "ldaps" {
        return None;
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let base = path.split('?').next().unwrap_or_default();
    let base = percent_encoding::percent_decode_str(base).decode_utf8().ok()?;
    (!host.is_empty()).then(|| (format!("{scheme}://{host}"), base.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referral_names_server_and_base() {
        let two = |url: &str, base: &str| Some((url.to_owned(), base.to_owned()));
        assert_eq!(target("ldap://other.test:3890/dc=a%20b,dc=c??sub"), two("ldap://other.test:3890", "dc=a b,dc=c"));
        assert_eq!(target("LDAPS://other.test"), two("ldaps://other.test", ""));
        for wrong in ["http://other.test/", "ldap:///dc=x", "", "ldap://h/%ff"] {
            assert_eq!(target(wrong), None, "{wrong}");
        }
    }
}
