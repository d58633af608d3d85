//! What operators change about hosts: written down first, then told to the services, and to the host if it loses its place.

use crate::{
    Hub,
    host::{Member, Refused},
    hub::unavailable,
    store,
};
use controller_base::id::HostId;
use controller_ports::Unavailable;
use controller_ports::fleet::{Admission, HostChange, HostChangeError};

/// Makes the change; repeated it changes nothing.
pub(crate) async fn change(hub: &Hub, id: HostId, change: HostChange) -> Result<(), HostChangeError> {
    if change == HostChange::Remove {
        return remove(hub, id).await;
    }
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    let member = store::get_member(&mut tx, id).await.map_err(unavailable)?;
    let mut member = member.ok_or(HostChangeError::NoSuchHost(id))?;
    apply(&mut member, &change)?;
    store::update_member(&mut tx, &member).await.map_err(unavailable)?;
    tx.commit().await.map_err(unavailable)?;
    tracing::info!(host = %id, hostname = member.host.hostname, ?change, "an operator changed a host");
    follow(hub, &member).await.map_err(HostChangeError::Unavailable)
}

/// Pure: what becomes of the member.
fn apply(member: &mut Member, change: &HostChange) -> Result<(), HostChangeError> {
    let own = &mut member.host.membership;
    let waits = own.admission == Admission::Pending;
    match change {
        HostChange::Approve => {
            if waits {
                own.admission = Admission::Admitted;
            }
            member.machine.clear();
        }
        _ if waits => return Err(HostChangeError::Pending(member.host.hostname.clone())),
        HostChange::Drain(reason) => (own.drained, own.reason) = (true, reason.clone()),
        HostChange::Undrain => own.drained = false,
        HostChange::Fence(reason) => {
            own.admission = Admission::Fenced;
            if !reason.is_empty() {
                own.reason.clone_from(reason);
            }
        }
        HostChange::Unfence => own.admission = Admission::Admitted,
        HostChange::Remove => own.drained = true,
    }
    if !own.drained && own.admission != Admission::Fenced {
        own.reason.clear();
    }
    Ok(())
}

/// Whoever cares hears of it; a fenced host loses its stream.
async fn follow(hub: &Hub, member: &Member) -> Result<(), Unavailable> {
    let host = &member.host;
    hub.tell(host).await?;
    if host.fenced() {
        hub.expel(host.id, &Refused::Fenced(host.hostname.clone()));
    }
    Ok(())
}

/// Drains the host, so that nothing new comes while it is looked at; then all forget it.
async fn remove(hub: &Hub, id: HostId) -> Result<(), HostChangeError> {
    let mut conn = hub.db.read().await.map_err(unavailable)?;
    let member = store::get_member(&mut conn, id).await.map_err(unavailable)?;
    drop(conn);
    let member = member.ok_or(HostChangeError::NoSuchHost(id))?;
    let hostname = member.host.hostname;
    if member.host.membership.admission == Admission::Admitted && !member.host.membership.drained {
        Box::pin(change(hub, id, HostChange::Drain("to be removed".to_owned()))).await?;
    }
    let observers = || hub.sources().into_iter().flat_map(|s| &s.hosts);
    for observer in observers() {
        if let Some(reason) = observer.forget_host(id).await? {
            return Err(HostChangeError::InUse { host: hostname, reason });
        }
    }
    let mut tx = hub.db.begin().await.map_err(unavailable)?;
    store::delete_host(&mut tx, id).await.map_err(unavailable)?;
    store::delete_order(&mut tx, id).await.map_err(unavailable)?;
    tx.commit().await.map_err(unavailable)?;
    tracing::info!(host = %id, hostname, "an operator removed a host; its certificate opens nothing any more");
    hub.expel(id, &Refused::NoMember);
    Ok(())
}
