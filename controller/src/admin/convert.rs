//! From what services say to what operators are told.

use controller_base::Timestamp;
use controller_fleet::join::{Ended, JoinToken};
use controller_identity::{Event, EventQuery};
use controller_ports::{
    fleet::{Host, HostState, NumaNode},
    placement::{HostUsage, Resources},
};
use humilis_proto::admin as wire;
use tonic::Status;

/// A moment; none for one that never was.
pub(super) fn time(at: Timestamp) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(at.0.rem_euclid(1_000_000) * 1000).ok()?;
    (at.0 > 0).then(|| prost_types::Timestamp { seconds: at.0.div_euclid(1_000_000), nanos })
}

pub(super) fn resources(of: Resources) -> wire::Resources {
    wire::Resources { vcpus: of.vcpus, memory_mib: of.memory_mib, disk_gib: of.disk_gib }
}

pub(super) fn host(host: &Host, usage: Option<&HostUsage>) -> wire::Host {
    let own = &host.membership;
    wire::Host {
        id: host.id.to_string(),
        name: host.hostname.clone(),
        state: state(host.state()).into(),
        connected: host.up,
        drained: own.drained,
        fenced: host.fenced(),
        reason: own.reason.clone(),
        address: own.address.clone(),
        underlay_address: host.underlay_address.clone(),
        physical_networks: host.physical_networks.clone(),
        version: host.version.clone(),
        guests: usage.map_or(0, |usage| usage.servers),
        total: Some(wire::Resources {
            vcpus: host.resources.vcpus.into(),
            memory_mib: host.resources.memory_mib,
            disk_gib: host.resources.disk_gib,
        }),
        used: Some(resources(usage.map(|usage| usage.used).unwrap_or_default())),
        enrolled_at: time(own.enrolled_at),
        last_seen_at: time(host.last_seen),
        certificate: own.certificate.clone(),
        certificate_expires_at: own.certificate_expires_at.and_then(time),
        appliance_version: own.appliance.clone(),
        numa_nodes: own.numa.iter().map(numa_node).collect(),
        cpu_model: own.cpu.model.clone(),
        cpu_features: own.cpu.features.clone(),
        clock_offset: own
            .clock
            .map(|clock| wire::ClockOffset { micros: clock.micros, error_micros: clock.error.unsigned_abs() }),
    }
}

fn numa_node(node: &NumaNode) -> wire::NumaNode {
    wire::NumaNode { number: node.number, cpus: node.cpus.clone(), memory_mib: node.memory_mib }
}

fn state(state: HostState) -> wire::HostState {
    match state {
        HostState::Pending => wire::HostState::Pending,
        HostState::Fenced => wire::HostState::Fenced,
        HostState::Away => wire::HostState::Away,
        HostState::Drained => wire::HostState::Drained,
        HostState::Connected => wire::HostState::Connected,
    }
}

pub(super) fn join_token(token: &JoinToken, now: Timestamp) -> wire::JoinToken {
    let state = match token.ended(now) {
        None => wire::JoinTokenState::Open,
        Some(Ended::UsedUp) => wire::JoinTokenState::UsedUp,
        Some(Ended::Expired) => wire::JoinTokenState::Expired,
        Some(Ended::Revoked) => wire::JoinTokenState::Revoked,
        Some(Ended::Unknown) => wire::JoinTokenState::Unspecified,
    };
    wire::JoinToken {
        id: token.id().to_owned(),
        state: state.into(),
        uses: token.uses,
        most_uses: token.most_uses,
        approve: token.approve,
        note: token.note.clone(),
        created_at: time(token.created_at),
        expires_at: time(token.expires_at),
        used_at: token.used_at.and_then(time),
        revoked_at: token.revoked_at.and_then(time),
    }
}

pub(super) fn event(event: Event) -> wire::Event {
    let outcome = if event.success { wire::Outcome::Success } else { wire::Outcome::Failure };
    wire::Event {
        id: event.id,
        time: time(event.moment),
        r#type: event.event_type,
        outcome: outcome.into(),
        user_id: event.initiator_id,
        target_id: event.target_id,
        cadf: event.body.to_string(),
    }
}

/// What of the log is wanted, without time and count.
pub(super) fn filter(filter: Option<wire::EventFilter>) -> Result<EventQuery, Status> {
    let filter = filter.unwrap_or_default();
    let success = match wire::Outcome::try_from(filter.outcome) {
        Ok(wire::Outcome::Unspecified) => None,
        Ok(wire::Outcome::Success) => Some(true),
        Ok(wire::Outcome::Failure) => Some(false),
        Err(_) => return Err(Status::invalid_argument("there is no such outcome")),
    };
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(EventQuery {
        event_type: given(filter.r#type),
        initiator_id: given(filter.user_id),
        target_id: given(filter.target_id),
        success,
        ..EventQuery::default()
    })
}
