//! Servers as compute thinks of them.

use super::spec::Spec;
use controller_base::id::{HostId, ProjectId, RequestId, ServerId, UserId};
use controller_base::{Generation, Timestamp};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A server.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Owner.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its name.
    pub name: String,
    /// The guest's own host name.
    pub hostname: String,
    /// For people.
    pub description: Option<String>,
    /// What it is.
    pub state: VmState,
    /// What is being done with it.
    pub task: Option<TaskState>,
    /// Since when.
    pub task_since: Option<Timestamp>,
    /// As its host saw it.
    pub power: PowerState,
    /// Where it has room.
    pub host: Option<Placed>,
    /// Where it may be reached, as the tenant says.
    pub access_ipv4: Option<Ipv4Addr>,
    /// Likewise.
    pub access_ipv6: Option<Ipv6Addr>,
    /// The tenant's metadata.
    pub metadata: BTreeMap<String, String>,
    /// The tenant's tags, in alphabetical order.
    pub tags: Vec<String>,
    /// Who locked it against changes.
    pub lock: Option<Lock>,
    /// What went wrong last.
    pub fault: Option<Fault>,
    /// What was asked for at creation; never changes.
    pub spec: Spec,
    /// User data, base64 as the tenant gave it.
    pub user_data: Option<String>,
    /// The password that the guest made for itself, encrypted for its owner's key; empty: none.
    pub guest_password: String,
    /// The request on whose behalf it changed last; what its host does about it is logged and traced under this id.
    pub request: Option<RequestId>,
    /// Its server group.
    pub group_id: Option<String>,
    /// What its host is told.
    pub desired: Wanted,
    /// Nothing of it is left on any host.
    pub gone: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed for its tenant.
    pub updated_at: Timestamp,
    /// When it first ran.
    pub launched_at: Option<Timestamp>,
    /// When it was deleted, for its tenant.
    pub deleted_at: Option<Timestamp>,
    /// Number of the row's last change.
    pub generation: Generation,
}

/// A place on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The host.
    pub id: HostId,
    /// Its name.
    pub name: String,
}

/// What a host is told of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// It shall be on its host at all.
    pub published: bool,
    /// It shall run.
    pub running: bool,
    /// Number of starts asked for.
    pub boot_count: u64,
    /// The last start or stop does not ask the guest.
    pub hard: bool,
    /// Number of the last change that its host cares about.
    pub generation: Generation,
    /// The `generation` at the last change of power: older observations say nothing about it.
    pub power_generation: Generation,
}

impl Wanted {
    /// Of a server that no host was told of.
    pub const UNPUBLISHED: Self = Self {
        published: false,
        running: true,
        boot_count: 1,
        hard: false,
        generation: Generation::FIRST,
        power_generation: Generation::FIRST,
    };
}

/// Who locked a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// An administrator, not the owner.
    pub by_admin: bool,
    /// Why.
    pub reason: Option<String>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As an HTTP status.
    pub code: u16,
    /// For its tenant.
    pub message: String,
    /// For administrators.
    pub details: String,
    /// When.
    pub created: Timestamp,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Nova's word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord(text.to_owned())),
                }
            }
        }
    };
}

/// A stored word that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no state")]
pub struct UnknownWord(pub String);

words! {
    /// What a server is.
    VmState {
        /// Being made.
        Building = "building",
        /// Running.
        Active = "active",
        /// Not running.
        Stopped = "stopped",
        /// Something failed; `fault` says what.
        Error = "error",
        /// Deleted for its tenant.
        Deleted = "deleted",
    }
}

words! {
    /// What is being done with a server.
    TaskState {
        /// A host is about to be told.
        Scheduling = "scheduling",
        /// Its ports are being made.
        Networking = "networking",
        /// Its host makes it.
        Spawning = "spawning",
        /// The guest is asked to restart.
        Rebooting = "rebooting",
        /// It is restarted without being asked.
        RebootingHard = "rebooting_hard",
        /// It shall stop.
        PoweringOff = "powering-off",
        /// It shall start.
        PoweringOn = "powering-on",
        /// It shall go.
        Deleting = "deleting",
    }
}

/// How a guest was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// Not yet.
    Unknown,
    /// Running.
    Running,
    /// Off.
    Shutdown,
    /// Its process ended by itself.
    Crashed,
}

impl PowerState {
    /// Nova's number for it.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Unknown => 0,
            Self::Running => 1,
            Self::Shutdown => 4,
            Self::Crashed => 6,
        }
    }

    /// Reads [`PowerState::number`] back.
    #[must_use]
    pub fn of_number(number: i64) -> Self {
        match number {
            1 => Self::Running,
            4 => Self::Shutdown,
            6 => Self::Crashed,
            _ => Self::Unknown,
        }
    }
}

impl Server {
    /// What tenants see as `status`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        status(self.state, self.task)
    }

    /// `instance-` and eight hex digits: the guest's name on its host.
    #[must_use]
    pub fn instance_name(&self) -> String {
        format!("instance-{:08x}", self.serial())
    }

    /// `i-` and eight hex digits.
    #[must_use]
    pub fn ec2_id(&self) -> String {
        format!("i-{:08x}", self.serial())
    }

    /// A short number, not quite unique: the first 32 bits of the id.
    fn serial(&self) -> u32 {
        self.id.uuid().as_fields().0
    }
}

/// Nova's `status` of a pair of states.
#[must_use]
pub fn status(state: VmState, task: Option<TaskState>) -> &'static str {
    match (state, task) {
        (VmState::Active, Some(TaskState::Rebooting)) => "REBOOT",
        (VmState::Active, Some(TaskState::RebootingHard)) => "HARD_REBOOT",
        (VmState::Active, _) => "ACTIVE",
        (VmState::Building, _) => "BUILD",
        (VmState::Stopped, _) => "SHUTOFF",
        (VmState::Error, _) => "ERROR",
        (VmState::Deleted, _) => "DELETED",
    }
}

/// The states behind a `status` that a list is filtered by; `None`: no server of ours can ever have it.
#[must_use]
pub fn states_of_status(status: &str) -> Option<(VmState, Option<TaskState>)> {
    Some(match status.to_ascii_uppercase().as_str() {
        "ACTIVE" => (VmState::Active, None),
        "REBOOT" => (VmState::Active, Some(TaskState::Rebooting)),
        "HARD_REBOOT" => (VmState::Active, Some(TaskState::RebootingHard)),
        "BUILD" => (VmState::Building, None),
        "SHUTOFF" => (VmState::Stopped, None),
        "ERROR" => (VmState::Error, None),
        "DELETED" => (VmState::Deleted, None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        assert_eq!("powering-off".parse(), Ok(TaskState::PoweringOff));
        assert_eq!("building".parse(), Ok(VmState::Building));
        assert!("x".parse::<VmState>().is_err());
        for power in [PowerState::Unknown, PowerState::Running, PowerState::Shutdown, PowerState::Crashed] {
            assert_eq!(PowerState::of_number(power.number()), power);
        }
    }

    #[test]
    fn a_reboot_shows_in_the_status() {
        assert_eq!(status(VmState::Active, Some(TaskState::RebootingHard)), "HARD_REBOOT");
        assert_eq!(status(VmState::Active, Some(TaskState::PoweringOff)), "ACTIVE");
        assert_eq!(status(VmState::Stopped, Some(TaskState::RebootingHard)), "SHUTOFF");
    }
}
