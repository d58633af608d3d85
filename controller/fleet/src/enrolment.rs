//! How a machine becomes a member and renews its certificate.

use crate::{Authority, Hub, hub::unavailable, join, store};
use controller_base::id::HostId;
use controller_ports::Unavailable;
use humilis_proto::federation as wire;

/// The longest host name, as DNS has it.
const HOSTNAME_MAX: usize = 253;

/// Why a machine was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolError {
    /// The token is unknown, used or expired; the host is not told which.
    #[error("join token is not valid")]
    Token,
    /// The machine's name is no host name.
    #[error("{0:?} is not a host name")]
    Hostname(String),
    /// The signing request cannot be used.
    #[error("certificate signing request is refused")]
    Request(#[source] crate::authority::AuthorityError),
    /// The host is no member any more.
    #[error("host {0} is no member")]
    NoMember(HostId),
    /// The database failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Uses the token up, notes the member and signs its key, all or nothing.
pub(crate) async fn enrol(
    hub: &Hub,
    authority: &Authority,
    request: wire::EnrolRequest,
) -> Result<wire::EnrolResponse, EnrolError> {
    check_hostname(&request.hostname)?;
    let now = hub.clock.now();
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    if !join::redeem(&mut tx, &request.token, now).await.map_err(unavailable)? {
        return Err(EnrolError::Token);
    }
    let host = store::upsert_host(&mut tx, &request.hostname, now).await.map_err(unavailable)?;
    let certificate = authority.sign_host(&request.csr, host, now).map_err(EnrolError::Request)?;
    tx.commit().await.map_err(unavailable)?;
    tracing::info!(%host, hostname = request.hostname, "host enrolled");
    Ok(response(authority, host, certificate))
}

/// Signs a member's new key.
pub(crate) async fn renew(
    hub: &Hub,
    authority: &Authority,
    host: HostId,
    csr: &[u8],
) -> Result<wire::EnrolResponse, EnrolError> {
    let mut conn = hub.db.read().await.map_err(unavailable)?;
    let known = store::get_host(&mut conn, host).await.map_err(unavailable)?;
    known.ok_or(EnrolError::NoMember(host))?;
    let certificate = authority.sign_host(csr, host, hub.clock.now()).map_err(EnrolError::Request)?;
    Ok(response(authority, host, certificate))
}

fn response(authority: &Authority, host: HostId, certificate: String) -> wire::EnrolResponse {
    wire::EnrolResponse { host_id: host.to_string(), certificate, ca: authority.pem().to_owned() }
}

fn check_hostname(name: &str) -> Result<(), EnrolError> {
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = name.len() <= HOSTNAME_MAX && name.split('.').all(label);
    if fits { Ok(()) } else { Err(EnrolError::Hostname(name.chars().take(64).collect())) }
}
