//! A server for tests.

use super::model::{Placed, PowerState, Server, VmState, Wanted};
use super::spec::{Blob, FlavorCopy, ImageCopy, KeyCopy, Spec};
use controller_base::id::{HostId, ServerId};
use controller_base::{Generation, Timestamp};
use std::collections::BTreeMap;

/// What the samples were asked for with.
pub fn spec() -> Spec {
    let image = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    Spec {
        flavor: FlavorCopy {
            id: "1".parse().unwrap(),
            name: "m1.tiny".to_owned(),
            vcpus: 1,
            memory_mib: 512,
            root_gib: 1,
            ephemeral_gib: 0,
            swap_mib: 0,
            extra_specs: BTreeMap::new(),
        },
        image: ImageCopy {
            id: image,
            root: Some(Blob { image, sha256: "ab".repeat(32), size_bytes: 1000, disk_format: "raw".to_owned() }),
            virtual_size_bytes: 4096,
            kernel: None,
            restart: None,
            numa_nodes: None,
            traits: Vec::new(),
        },
        key: Some(KeyCopy {
            name: "key".to_owned(),
            public_key: "ssh-ed25519 AAAA".to_owned(),
            kind: "ssh".to_owned(),
        }),
        nics: Vec::new(),
        security_groups: Vec::new(),
        security_group_names: vec!["default".to_owned()],
        reservation_id: "r-abcdefgh".to_owned(),
        launch_index: 0,
        admin_password: "secret".to_owned(),
        random_seed: "AAAA".to_owned(),
        config_drive: false,
        availability_zone: "nova".to_owned(),
        pinned_zone: None,
        numa_node: None,
        disk_config: "MANUAL".to_owned(),
        by_admin: false,
        request_id: "req-1".to_owned(),
    }
}

/// A server that runs.
pub fn server() -> Server {
    Server {
        id: "a3f1c2d4-5e6f-4701-8899-aabbccddeeff".parse::<ServerId>().unwrap(),
        project_id: "project".parse().unwrap(),
        user_id: "user".parse().unwrap(),
        name: "web".to_owned(),
        hostname: "web".to_owned(),
        description: None,
        state: VmState::Active,
        task: None,
        task_since: None,
        power: PowerState::Running,
        host: Some(Placed {
            id: "00000000-0000-4000-8000-000000000001".parse::<HostId>().unwrap(),
            name: "host-1".to_owned(),
        }),
        access_ipv4: None,
        access_ipv6: None,
        metadata: BTreeMap::from([("role".to_owned(), "web".to_owned())]),
        tags: Vec::new(),
        lock: None,
        fault: None,
        spec: spec(),
        user_data: None,
        guest_password: String::new(),
        request: None,
        group_id: None,
        desired: Wanted { published: true, ..Wanted::UNPUBLISHED },
        gone: false,
        created_at: Timestamp(1_790_000_000_000_000),
        updated_at: Timestamp(1_790_000_001_000_000),
        launched_at: Some(Timestamp(1_790_000_002_000_000)),
        deleted_at: None,
        generation: Generation::FIRST,
    }
}
