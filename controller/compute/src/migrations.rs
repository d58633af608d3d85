//! Compute's tables.

use controller_db::Migration;

/// In order.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_compute",
        sql: "CREATE TABLE compute_flavor (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    root_gib BIGINT NOT NULL,
    ephemeral_gib BIGINT NOT NULL,
    swap_mib BIGINT NOT NULL,
    rxtx_factor TEXT NOT NULL,
    is_public BIGINT NOT NULL,
    description TEXT,
    extra_specs TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE compute_flavor_access (
    flavor_id TEXT NOT NULL REFERENCES compute_flavor (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);
CREATE TABLE compute_keypair (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE TABLE compute_quota (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
CREATE TABLE compute_project (
    project_id TEXT PRIMARY KEY,
    generation BIGINT NOT NULL
);
CREATE TABLE compute_server_group (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    policy TEXT NOT NULL,
    max_per_host BIGINT,
    created_at BIGINT NOT NULL
);
CREATE TABLE compute_server (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    hostname TEXT NOT NULL,
    description TEXT,
    vm_state TEXT NOT NULL,
    task_state TEXT,
    task_since BIGINT,
    power_state BIGINT NOT NULL,
    host_id TEXT,
    host_name TEXT,
    access_ipv4 TEXT,
    access_ipv6 TEXT,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    lock_by TEXT,
    lock_reason TEXT,
    fault TEXT,
    spec TEXT NOT NULL,
    user_data TEXT,
    group_id TEXT,
    published BIGINT NOT NULL,
    running BIGINT NOT NULL,
    boot_count BIGINT NOT NULL,
    boot_hard BIGINT NOT NULL,
    desired_generation BIGINT NOT NULL,
    power_generation BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    launched_at BIGINT,
    deleted_at BIGINT,
    generation BIGINT NOT NULL,
    flavor_id TEXT NOT NULL,
    image_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    reservation_id TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    config_drive BIGINT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL
);
CREATE INDEX compute_server_project ON compute_server (project_id, deleted_at, created_at, id, vcpus, memory_mib);
CREATE INDEX compute_server_host ON compute_server (host_id, gone);
CREATE INDEX compute_server_task ON compute_server (task_since);
CREATE INDEX compute_server_updated ON compute_server (updated_at);
CREATE INDEX compute_server_gone ON compute_server (gone, deleted_at);
CREATE TABLE compute_action (
    id TEXT PRIMARY KEY,
    server_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    action TEXT NOT NULL,
    request_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    finished_at BIGINT,
    failure TEXT,
    host_name TEXT
);
CREATE INDEX compute_action_server ON compute_action (server_id, started_at);",
    },
    Migration {
        name: "0002_aggregates",
        sql: "CREATE TABLE compute_aggregate (
    id BIGINT PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE TABLE compute_aggregate_host (
    aggregate_id BIGINT NOT NULL REFERENCES compute_aggregate (id),
    hostname TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (aggregate_id, hostname)
);",
    },
    Migration {
        name: "0003_guest_password",
        sql: "ALTER TABLE compute_server ADD COLUMN guest_password TEXT NOT NULL DEFAULT '';",
    },
    Migration { name: "0004_request", sql: "ALTER TABLE compute_server ADD COLUMN request_id TEXT;" },
];
