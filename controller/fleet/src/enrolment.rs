//! How a machine becomes a member and renews its certificate.

use crate::{
    Authority, Hub,
    authority::AuthorityError,
    host::{Refused, Shown},
    hub::unavailable,
    join, store,
};
use controller_base::id::HostId;
use controller_ports::Unavailable;
use controller_ports::fleet::Admission;
use humilis_proto::federation as wire;

/// The longest host name, as DNS has it.
const HOSTNAME_MAX: usize = 253;

/// Why a machine was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolError {
    /// The token lets nobody in.
    #[error(transparent)]
    Token(#[from] join::Ended),
    /// The machine's name is no host name.
    #[error("{0:?} is not a host name")]
    Hostname(String),
    /// A member of that name is connected.
    #[error(
        "a host {0:?} is connected already: give this machine another name, or remove that one with \
         `controller host remove {0}` if it is gone"
    )]
    NameTaken(String),
    /// The signing request cannot be used.
    #[error("certificate signing request is refused")]
    Request(#[source] AuthorityError),
    /// The host may not.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Uses the token, notes the member and signs its key, all or nothing. A machine that was installed anew keeps its id.
pub(crate) async fn enrol(
    hub: &Hub,
    authority: &Authority,
    request: wire::EnrolRequest,
) -> Result<wire::EnrolResponse, EnrolError> {
    check_hostname(&request.hostname)?;
    let now = hub.clock.now();
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    let token = join::redeem(&mut tx, &request.token, now).await.map_err(unavailable)??;
    let known = store::member_by_name(&mut tx, &request.hostname).await.map_err(unavailable)?;
    let host = match known {
        Some(known) if known.host.up => return Err(EnrolError::NameTaken(request.hostname)),
        Some(known) => known.host.id,
        None => store::insert_host(&mut tx, &request.hostname, now).await.map_err(unavailable)?,
    };
    let member = store::get_member(&mut tx, host).await.map_err(unavailable)?;
    let mut member = member.ok_or(Refused::NoMember)?;
    if member.host.fenced() {
        return Err(Refused::Fenced(request.hostname).into());
    }
    let signed = sign(hub, authority, host, &request.csr)?;
    member.enrolled(&signed, authority.trust());
    member.host.membership.admission = if token.approve { Admission::Pending } else { Admission::Admitted };
    store::update_member(&mut tx, &member).await.map_err(unavailable)?;
    tx.commit().await.map_err(unavailable)?;
    tracing::info!(
        %host, hostname = request.hostname, token = token.id(), pending = token.approve,
        certificate = signed.fingerprint, "host enrolled"
    );
    Ok(response(authority, host, signed.pem, token.approve))
}

/// Signs a member's new key.
pub(crate) async fn renew(
    hub: &Hub,
    authority: &Authority,
    shown: &Shown,
    csr: &[u8],
) -> Result<wire::EnrolResponse, EnrolError> {
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    let member = store::get_member(&mut tx, shown.host).await.map_err(unavailable)?;
    let mut member = member.ok_or(Refused::NoMember)?;
    member.admits(shown)?;
    let signed = sign(hub, authority, shown.host, csr)?;
    member.renewed(shown, &signed, authority.trust());
    store::update_member(&mut tx, &member).await.map_err(unavailable)?;
    tx.commit().await.map_err(unavailable)?;
    tracing::info!(
        host = %shown.host, hostname = member.host.hostname, until = signed.expires_at.seconds_z(),
        "a host's certificate was renewed"
    );
    Ok(response(authority, shown.host, signed.pem, false))
}

/// Whether a caller is a member that may take part.
pub(crate) async fn check(hub: &Hub, shown: &Shown) -> Result<(), EnrolError> {
    let mut conn = hub.db.read().await.map_err(unavailable)?;
    let member = store::get_member(&mut conn, shown.host).await.map_err(unavailable)?;
    Ok(member.ok_or(Refused::NoMember)?.admits(shown)?)
}

fn sign(hub: &Hub, authority: &Authority, host: HostId, csr: &[u8]) -> Result<crate::authority::Signed, EnrolError> {
    let signed = authority.sign_host(csr, host, hub.certificate_seconds, hub.clock.now());
    signed.map_err(EnrolError::Request)
}

fn response(authority: &Authority, host: HostId, certificate: String, pending: bool) -> wire::EnrolResponse {
    let ca = authority.pem();
    wire::EnrolResponse { host_id: host.to_string(), certificate, ca, awaiting_approval: pending }
}

fn check_hostname(name: &str) -> Result<(), EnrolError> {
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = name.len() <= HOSTNAME_MAX && name.split('.').all(label);
    if fits { Ok(()) } else { Err(EnrolError::Hostname(name.chars().take(64).collect())) }
}
