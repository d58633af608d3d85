//! Accepting new servers: everything that is asked of others comes first, then one transaction claims room, counts quotas,
//! writes the rows and starts the operations that build them.

use super::demand::{self, Traits};
use super::model::{Fault, Placed, PowerState, Server, TaskState, VmState, Wanted};
use super::spec::{Blob, FlavorCopy, ImageCopy, KernelCopy, KeyCopy, Spec};
use super::wire::create::{CreateRequest, Networks};
use super::{build_operation, restart, store};
use crate::aggregate::Zones;
use crate::flavor::{self, Flavor};
use crate::{Compute, Failure, action_log, failure, group, keypair, quota};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use controller_base::Generation;
use controller_base::Timestamp;
use controller_base::id::{HostId, ImageId, ProjectId, SecurityGroupId, ServerId};
use controller_db::Tx;
use controller_ports::image::Image;
use controller_ports::network::{AttachError, RequestedNic};
use controller_ports::placement::{ClaimError, Claimed, Constraints, Consumer, Resources};
use controller_web::{Context, Target};
use rand::Rng;
use std::collections::{BTreeSet, HashSet};

/// How often it is tried when others claim at the same time.
const ATTEMPTS: usize = 5;

/// What was accepted.
pub(crate) struct Accepted {
    pub(crate) servers: Vec<Server>,
    pub(crate) admin_password: String,
    pub(crate) reservation_id: String,
}

/// Everything about the servers that is the same for all of them.
struct Plan {
    project: ProjectId,
    spec: Spec,
    group: Option<group::ServerGroup>,
    constraints: Constraints,
    zones: Zones,
}

impl Compute {
    /// Accepts one or several servers.
    ///
    /// # Errors
    /// What Nova's API reference lists for POST /servers.
    pub(crate) async fn create_servers(&self, context: &Context, request: CreateRequest) -> Result<Accepted, Failure> {
        let plan = self.plan(context, &request).await?;
        let admin_password = plan.spec.admin_password.clone();
        let reservation_id = plan.spec.reservation_id.clone();
        let mut attempt = 1;
        let servers = loop {
            match self.accept(context, &plan, &request).await {
                // Two that claim room on the same hosts, each in its own order, stop each other; one of them is told.
                Err(failure) if attempt < ATTEMPTS && failure.is_crossing() => attempt += 1,
                done => break done?,
            }
        };
        Ok(Accepted { servers, admin_password, reservation_id })
    }

    /// All of them, or none.
    async fn accept(&self, context: &Context, plan: &Plan, request: &CreateRequest) -> Result<Vec<Server>, Failure> {
        let mut tx = self.db.begin().await?;
        store::lock_project(&mut tx, &plan.project).await?;
        let count = self.count(&mut tx, plan, request).await?;
        let mut servers = Vec::new();
        let mut constraints = plan.constraints.clone();
        for index in 0..count {
            servers.push(self.place(&mut tx, context, plan, request, (index, count), &mut constraints).await?);
        }
        tx.commit().await?;
        Ok(servers)
    }

    async fn plan(&self, context: &Context, request: &CreateRequest) -> Result<Plan, Failure> {
        let project = context.project_id()?.clone();
        let mut connection = self.db.read().await?;
        let flavor = usable_flavor(&mut connection, context, &request.flavor).await?;
        if !request.metadata.is_empty() {
            let limit = quota::store::limits(&mut connection, &project, &self.config.quota).await?.metadata_items;
            if limit >= 0 && i64::try_from(request.metadata.len()).unwrap_or(i64::MAX) > limit {
                return Err(failure::forbidden(format!("Maximum number of metadata items exceeds {limit}")));
            }
        }
        let key = match &request.key_name {
            None => None,
            Some(name) => Some(
                keypair::store::get(&mut connection, context.user_id(), name)
                    .await?
                    .ok_or_else(|| failure::bad_request("Invalid key_name provided."))?,
            ),
        };
        let group = match &request.group {
            None => None,
            Some(id) => Some(
                group::store::get(&mut connection, id)
                    .await?
                    .filter(|group| group.project_id == project)
                    .ok_or_else(|| failure::bad_request(format!("Instance group {id} could not be found.")))?,
            ),
        };
        let zones = self.zones(&mut connection).await?;
        drop(connection);
        let image = self.usable_image(context, &request.image, &flavor).await?;
        let mut constraints = self.constraints(context, request, &flavor, &image).await?;
        let (nics, groups, physical) = self.interfaces(context, &project, request).await?;
        if !physical.is_empty() {
            constraints.only = both(constraints.only, self.hosts_wired_to(&physical).await?);
        }
        let asked = request.zone.as_deref().and_then(|zone| zone.split(':').next()).filter(|zone| !zone.is_empty());
        let zone = asked.unwrap_or(&self.config.availability_zone).to_owned();
        let spec = Spec {
            flavor: flavor_copy(flavor),
            image,
            key: key.map(|pair| KeyCopy {
                name: pair.name,
                public_key: pair.public_key,
                kind: pair.kind.as_str().to_owned(),
            }),
            nics,
            security_groups: groups,
            security_group_names: if request.security_groups.is_empty() {
                vec!["default".to_owned()]
            } else {
                request.security_groups.clone()
            },
            reservation_id: format!("r-{}", random_text(8, LOWER)),
            launch_index: 0,
            admin_password: request.admin_password.clone().unwrap_or_else(|| random_text(12, MIXED)),
            random_seed: String::new(),
            config_drive: request.config_drive,
            pinned_zone: request.zone.as_ref().map(|_| zone.clone()),
            availability_zone: zone,
            numa_node: None,
            disk_config: request.disk_config.clone(),
            by_admin: context.is_admin(),
            request_id: context.request_id().to_string(),
        };
        Ok(Plan { project, spec, group, constraints, zones })
    }

    /// `zone` may be `zone`, and for administrators `zone:host`.
    async fn constraints(
        &self,
        context: &Context,
        request: &CreateRequest,
        flavor: &Flavor,
        image: &ImageCopy,
    ) -> Result<Constraints, Failure> {
        let (mut hostname, mut only, mut forced) = (request.host.clone(), None, false);
        if hostname.is_some() {
            context.enforce("compute:servers:create:requested_destination", &Target::project(context.project_id()?))?;
        }
        if let Some(zone) = &request.zone {
            let mut parts = zone.splitn(3, ':');
            let name = parts.next().unwrap_or_default();
            if !(name.is_empty() && zone.contains(':')) {
                only = self.hosts_in(name).await?;
                if only.is_none() {
                    return Err(failure::bad_request("The requested availability zone is not available"));
                }
            }
            if let Some(host) = parts.find(|part| !part.is_empty()) {
                context
                    .enforce("os_compute_api:servers:create:forced_host", &Target::project(context.project_id()?))?;
                hostname = Some(host.to_owned());
                // As with Nova, who names a host names it whatever its zone and its aggregates are. Traits hold all the same.
                (only, forced) = (None, true);
            }
        }
        if let Some(host) = &hostname {
            let known = self.fleet.hosts().await?.iter().any(|member| member.hostname == *host);
            if !known {
                return Err(failure::bad_request(format!(
                    "No valid host was found. Compute host {host} could not be found."
                )));
            }
        }
        if !forced && demand::asks_for_aggregates(&flavor.extra_specs) {
            only = both(only, self.hosts_wanted(&flavor.extra_specs).await?);
        }
        if !demand::devices(&flavor.extra_specs).map_err(|none| failure::bad_request(none.to_string()))? {
            only = Some(HashSet::new());
        }
        let one_node = demand::one_node(&flavor.extra_specs, image.numa_nodes.as_deref());
        let one_node = one_node.map_err(|wrong| failure::bad_request(wrong.to_string()))?;
        let Traits { required, forbidden } = demand::traits(&flavor.extra_specs, &image.traits);
        Ok(Constraints { hostname, only, required, forbidden, one_node, ..Constraints::default() })
    }

    /// The interfaces, the security groups, and the physical networks that its host must be wired to.
    async fn interfaces(
        &self,
        context: &Context,
        project: &ProjectId,
        request: &CreateRequest,
    ) -> Result<(Vec<RequestedNic>, Vec<SecurityGroupId>, BTreeSet<String>), Failure> {
        let nics = match &request.networks {
            Networks::Nothing => Vec::new(),
            Networks::These(nics) => nics.clone(),
            Networks::Auto { required } => {
                let nics = self.networks.default_nics(project).await?;
                if nics.is_empty() && *required {
                    return Err(failure::bad_request(
                        "Unable to automatically allocate a network for project: it has none.",
                    ));
                }
                nics
            }
        };
        if nics.is_empty() {
            return Ok((nics, Vec::new(), BTreeSet::new()));
        }
        context.enforce("os_compute_api:servers:create:attach_network", &Target::project(project))?;
        let physical = self.networks.check(project, context.is_admin(), &nics).await?;
        if request.security_groups.iter().all(|name| name == "default") {
            return Ok((nics, Vec::new(), physical));
        }
        let groups = self.networks.security_groups(project, &request.security_groups).await;
        let groups = groups.map_err(|error| match error {
            AttachError::SecurityGroupNotFound(name) => {
                failure::bad_request(format!("Security group {name} not found for project {project}."))
            }
            other => other.into(),
        })?;
        Ok((nics, groups, physical))
    }

    async fn usable_image(&self, context: &Context, id: &str, flavor: &Flavor) -> Result<ImageCopy, Failure> {
        let missing = || failure::bad_request("Can not find requested image");
        let id: ImageId = id.parse().map_err(|_| failure::bad_request("Invalid imageRef provided."))?;
        let image = self.viewed_image(context, id).await?.ok_or_else(missing)?;
        fits(&image, flavor).map_err(failure::bad_request)?;
        let blob =
            blob(&image).ok_or_else(|| failure::bad_request(format!("Image {id} is unacceptable: it has no data")))?;
        let property = |name: &str| image.properties.get(name).filter(|value| !value.is_empty());
        let args = property("os_command_line").cloned().unwrap_or_else(|| self.config.kernel_args.clone());
        let ramdisk = match property("ramdisk_id") {
            None => None,
            Some(id) => Some(self.part(context, id).await?),
        };
        let itself = image.disk_format == "aki";
        let kernel = match property("kernel_id") {
            Some(id) => Some(self.part(context, id).await?),
            None => itself.then(|| blob.clone()),
        };
        let word = property(restart::PROPERTY);
        restart::policy(&flavor.extra_specs, word.map(String::as_str))
            .map_err(|unknown| failure::bad_request(unknown.to_string()))?;
        Ok(ImageCopy {
            id,
            root: (!itself).then_some(blob),
            virtual_size_bytes: image.virtual_size_bytes,
            kernel: kernel.map(|kernel| KernelCopy { kernel, ramdisk, args }),
            restart: word.cloned(),
            numa_nodes: property(demand::NUMA_PROPERTY).cloned(),
            traits: demand::required_by_image(&image.properties),
        })
    }

    async fn part(&self, context: &Context, id: &str) -> Result<Blob, Failure> {
        let refused = || failure::bad_request(format!("Image {id} could not be found."));
        let parsed: ImageId = id.parse().map_err(|_| refused())?;
        let image = self.viewed_image(context, parsed).await?.ok_or_else(refused)?;
        if !image.active {
            return Err(failure::bad_request(format!("Image {id} is not active.")));
        }
        blob(&image).ok_or_else(refused)
    }

    async fn viewed_image(&self, context: &Context, id: ImageId) -> Result<Option<Image>, Failure> {
        let viewer = if context.is_admin() { None } else { Some(context.project_id()?) };
        Ok(self.images.get(id, viewer).await?)
    }

    /// As many as the quota has room for, between what is wanted at least and at most.
    async fn count(&self, tx: &mut Tx, plan: &Plan, request: &CreateRequest) -> Result<u32, Failure> {
        let (limits, used) = quota::store::limits_and_usage(tx, &plan.project, &self.config.quota).await?;
        let flavor = &plan.spec.flavor;
        let size = (i64::from(flavor.vcpus), i64::try_from(flavor.memory_mib).unwrap_or(i64::MAX));
        let (least, most) = (i64::from(request.min_count), i64::from(request.max_count));
        let count =
            limits.fitting(&used, size, least, most).map_err(|refusal| failure::forbidden(refusal.to_string()))?;
        if let Some(group) = &plan.group {
            let members = i64::try_from(group::store::members(tx, &group.id).await?.len()).unwrap_or(i64::MAX);
            if limits.server_group_members >= 0 && members.saturating_add(count) > limits.server_group_members {
                return Err(failure::forbidden("Quota exceeded, too many servers in group"));
            }
        }
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn place(
        &self,
        tx: &mut Tx,
        context: &Context,
        plan: &Plan,
        request: &CreateRequest,
        (index, count): (u32, u32),
        constraints: &mut Constraints,
    ) -> Result<Server, Failure> {
        let id = ServerId::random();
        let now = self.clock.now();
        if let Some(group) = &plan.group {
            group::constrain(tx, group, constraints).await?;
        }
        let consumer = Consumer { server: id, project: plan.project.clone(), user: context.user_id().clone() };
        let claimed = self.placement.claim(tx, &consumer, resources(&plan.spec.flavor), constraints).await;
        let claimed = match claimed {
            Ok(claimed) => Some(claimed),
            Err(ClaimError::NoValidHost) => None,
            Err(ClaimError::Unavailable(error)) => return Err(error.into()),
        };
        let server = assemble(id, context, plan, request, (index, count), claimed, now);
        store::insert(tx, &server).await?;
        let building = server.state == VmState::Building;
        action_log::store::insert(tx, &create_entry(context, &server, building, now)).await?;
        if building {
            build_operation::start(self, tx, id).await?;
        }
        Ok(server)
    }
}

fn create_entry(context: &Context, server: &Server, building: bool, now: Timestamp) -> action_log::Entry {
    action_log::Entry {
        id: action_log::new_id(),
        server_id: server.id,
        project_id: server.project_id.clone(),
        user_id: context.user_id().clone(),
        action: "create".to_owned(),
        request_id: context.request_id().to_string(),
        started_at: now,
        updated_at: now,
        finished_at: (!building).then_some(now),
        failure: server.fault.as_ref().map(|fault| fault.message.clone()),
        host_name: server.host.as_ref().map(|host| host.name.clone()),
    }
}

fn assemble(
    id: ServerId,
    context: &Context,
    plan: &Plan,
    request: &CreateRequest,
    (index, count): (u32, u32),
    claimed: Option<Claimed>,
    now: Timestamp,
) -> Server {
    let name = if count > 1 { format!("{}-{}", request.name, index + 1) } else { request.name.clone() };
    let hostname = request.hostname.clone().unwrap_or_else(|| hostname(&name, id));
    let found = claimed.is_some();
    let numa_node = claimed.as_ref().and_then(|claimed| claimed.node);
    let host = claimed.map(|claimed| Placed { id: claimed.host, name: claimed.hostname });
    let zone = host.as_ref().map_or(&*plan.spec.availability_zone, |host| plan.zones.of(&host.name)).to_owned();
    let (launch_index, random_seed) = (index, random_seed());
    Server {
        id,
        project_id: plan.project.clone(),
        user_id: context.user_id().clone(),
        hostname,
        description: request.description.clone().or_else(|| (context.microversion().minor < 19).then(|| name.clone())),
        name,
        state: if found { VmState::Building } else { VmState::Error },
        task: found.then_some(TaskState::Scheduling),
        task_since: found.then_some(now),
        power: PowerState::Unknown,
        host,
        access_ipv4: request.access_ipv4,
        access_ipv6: request.access_ipv6,
        metadata: request.metadata.clone(),
        tags: request.tags.clone(),
        lock: None,
        fault: (!found).then(|| Fault {
            code: 500,
            message: "No valid host was found. There are not enough hosts available.".to_owned(),
            details: String::new(),
            created: now,
        }),
        spec: Spec { launch_index, random_seed, numa_node, availability_zone: zone, ..plan.spec.clone() },
        user_data: request.user_data.clone(),
        guest_password: String::new(),
        request: Some(context.request_id().clone()),
        group_id: plan.group.as_ref().map(|group| group.id.clone()),
        desired: Wanted::UNPUBLISHED,
        gone: true,
        created_at: now,
        updated_at: now,
        launched_at: None,
        deleted_at: None,
        generation: Generation::FIRST,
    }
}

async fn usable_flavor(
    connection: &mut controller_db::Conn,
    context: &Context,
    reference: &str,
) -> Result<Flavor, Failure> {
    let missing = || failure::bad_request(format!("Flavor {reference} could not be found."));
    let id = reference.parse().map_err(|_| missing())?;
    let flavor = flavor::store::get(connection, &id).await?.ok_or_else(missing)?;
    let usable = flavor.is_public
        || context.is_admin()
        || flavor::store::has_access(connection, &id, context.project_id()?).await?;
    if !usable {
        return Err(missing());
    }
    if flavor.root_gib == 0 {
        let allowed =
            context.allows("os_compute_api:servers:create:zero_disk_flavor", &Target::project(context.project_id()?));
        if !allowed {
            return Err(failure::forbidden("Only volume-backed servers are allowed for flavors with zero disk."));
        }
    }
    Ok(flavor)
}

const GIB: u64 = 1 << 30;

fn fits(image: &Image, flavor: &Flavor) -> Result<(), String> {
    if !image.active {
        return Err(format!("Image {} is not active.", image.id));
    }
    if flavor.memory_mib < image.min_ram_mib {
        return Err("Flavor's memory is too small for requested image.".to_owned());
    }
    if flavor.root_gib == 0 {
        return Ok(());
    }
    let disk = flavor.root_gib.saturating_mul(GIB);
    let least = image.min_disk_gib.saturating_mul(GIB);
    let size = image.virtual_size_bytes.max(image.content.as_ref().map_or(0, |content| content.size_bytes));
    if size > disk {
        return Err(format!(
            "Flavor's disk is too small for requested image. Flavor disk is {disk} bytes, image is {size} bytes."
        ));
    }
    if least > disk {
        return Err(format!(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {disk} bytes, \
             minimum size is {least} bytes."
        ));
    }
    Ok(())
}

fn blob(image: &Image) -> Option<Blob> {
    let content = image.content.as_ref()?;
    Some(Blob {
        image: image.id,
        sha256: content.sha256.clone(),
        size_bytes: content.size_bytes,
        disk_format: image.disk_format.clone(),
    })
}

fn flavor_copy(flavor: Flavor) -> FlavorCopy {
    FlavorCopy {
        id: flavor.id,
        name: flavor.name,
        vcpus: flavor.vcpus,
        memory_mib: flavor.memory_mib,
        root_gib: flavor.root_gib,
        ephemeral_gib: flavor.ephemeral_gib,
        swap_mib: flavor.swap_mib,
        extra_specs: flavor.extra_specs,
    }
}

/// What a server of this flavor takes of its host.
pub(crate) fn resources(flavor: &FlavorCopy) -> Resources {
    Resources { vcpus: u64::from(flavor.vcpus), memory_mib: flavor.memory_mib, disk_gib: flavor.disk_gib() }
}

/// A host name made of a server's name, as Nova makes it; of the id where nothing is left of the name.
pub(crate) fn hostname(name: &str, id: ServerId) -> String {
    let mapped = name.chars().filter_map(|symbol| match symbol {
        ' ' | '_' | '.' => Some('-'),
        c if c.is_ascii_alphanumeric() || c == '-' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    let text: String = mapped.take(63).collect();
    match text.trim_matches('-') {
        "" => format!("server-{id}"),
        trimmed => trimmed.to_owned(),
    }
}

/// The hosts that are in both, where the first says anything.
fn both(only: Option<HashSet<HostId>>, others: HashSet<HostId>) -> Option<HashSet<HostId>> {
    Some(match only {
        Some(only) => &only & &others,
        None => others,
    })
}

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn random_text(length: usize, alphabet: &[u8]) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}

fn random_seed() -> String {
    let mut bytes = [0_u8; 512];
    rand::rng().fill(&mut bytes[..]);
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_made_of_names() {
        let id: ServerId = "a3f1c2d4-5e6f-4701-8899-aabbccddeeff".parse().unwrap();
        assert_eq!(hostname("My Web_Server.1", id), "my-web-server-1");
        assert_eq!(hostname("日本", id), format!("server-{id}"));
        assert_eq!(hostname(&"x".repeat(99), id).len(), 63);
    }

    #[test]
    fn random_text_has_its_length() {
        assert_eq!(random_text(12, MIXED).len(), 12);
        assert_ne!(random_text(12, MIXED), random_text(12, MIXED));
    }
}
