//! Servers as operators list them, of all projects.

use crate::row::Reader;
use crate::server::model::{Server, VmState, status};
use crate::server::store;
use crate::{Compute, unavailable};
use controller_base::Timestamp;
use controller_base::id::{HostId, ProjectId, ServerId, UserId};
use controller_db::{AnyRow, DbError, Filter, SortKey, Value};
use controller_ports::Unavailable;
use controller_ports::placement::Resources;
use std::collections::HashMap;

/// A server in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSummary {
    /// Its id.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Owner.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Its host's name.
    pub host: Option<String>,
    /// As OpenStack's clients show it.
    pub status: &'static str,
    /// What is being done with it.
    pub task: Option<&'static str>,
    /// What it takes.
    pub size: Resources,
    /// The flavor's name.
    pub flavor: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Compute {
    /// Servers that are not deleted in the order of their ids: of a host, of a project, after an id, at most so many.
    ///
    /// # Errors
    /// The database's.
    pub async fn guests(
        &self,
        host: Option<HostId>,
        project: Option<&ProjectId>,
        after: Option<ServerId>,
        limit: u32,
    ) -> Result<Vec<GuestSummary>, Unavailable> {
        let mut connection = self.db.read().await.map_err(unavailable)?;
        let place = after.map(|id| [Value::text(id)]);
        let rows = Filter::new(store::SELECT_SLIM)
            .and("deleted_at IS NULL", [])
            .and_eq("host_id", host.map(Value::text))
            .and_eq("project_id", project.map(Value::text))
            .page(&[SortKey::ascending("id")], place.as_ref().map(|place| place.as_slice()), Some(limit))
            .fetch_all(&mut connection)
            .await
            .map_err(unavailable)?;
        rows.iter().map(|row| Ok(summary(store::read(row).map_err(unavailable)?))).collect()
    }
}

/// How many servers of a status are on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestCount {
    /// As OpenStack's clients show it.
    pub status: &'static str,
    /// The host's name; none for those that have no host.
    pub host: Option<String>,
    /// How many.
    pub count: u64,
}

/// What metrics tell of compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// A line per status and host; several may have the same.
    pub guests: Vec<GuestCount>,
    /// How many flavors there are.
    pub flavors: u64,
    /// Every host's zone, by its id.
    pub zones: HashMap<HostId, String>,
}

const STATES: &str = "SELECT vm_state, task_state, host_name, COUNT(*) FROM compute_server WHERE deleted_at IS NULL \
    GROUP BY vm_state, task_state, host_name";
const FLAVORS: &str = "SELECT COUNT(*) AS number FROM compute_flavor";

impl Compute {
    /// Counts what there is.
    ///
    /// # Errors
    /// The database's, and the fleet's.
    pub async fn census(&self) -> Result<Census, Unavailable> {
        let hosts = self.fleet.hosts().await?;
        let mut connection = self.db.read().await.map_err(unavailable)?;
        let rows = Filter::new(STATES).fetch_all(&mut connection).await.map_err(unavailable)?;
        let flavors = Filter::new(FLAVORS).fetch_count(&mut connection).await.map_err(unavailable)?;
        let zones = self.zones(&mut connection).await.map_err(unavailable)?;
        let guests = rows.iter().map(count).collect::<Result<_, _>>().map_err(unavailable)?;
        let zones = hosts.into_iter().map(|host| (host.id, zones.of(&host.hostname).to_owned())).collect();
        Ok(Census { guests, flavors, zones })
    }
}

fn count(row: &AnyRow) -> Result<GuestCount, DbError> {
    let mut row = Reader::new(row);
    let (state, task, host) = (row.parsed::<VmState>()?, row.parsed_or_null()?, row.text_or_null()?);
    let count = u64::try_from(row.int()?).map_err(|error| DbError::corrupt("count", error))?;
    Ok(GuestCount { status: status(state, task), host, count })
}

fn summary(server: Server) -> GuestSummary {
    let size = Resources {
        vcpus: server.spec.flavor.vcpus.into(),
        memory_mib: server.spec.flavor.memory_mib,
        disk_gib: server.spec.flavor.disk_gib(),
    };
    GuestSummary {
        status: server.status(),
        task: server.task.map(|task| task.as_str()),
        id: server.id,
        name: server.name,
        project_id: server.project_id,
        user_id: server.user_id,
        host: server.host.map(|host| host.name),
        size,
        flavor: server.spec.flavor.name,
        created_at: server.created_at,
    }
}
