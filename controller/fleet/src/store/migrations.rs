//! The fleet's tables.

use controller_db::Migration;

/// The fleet's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_hosts",
        sql: "CREATE TABLE fleet_host (
    id TEXT PRIMARY KEY,
    hostname TEXT NOT NULL UNIQUE,
    connected BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    underlay_address TEXT NOT NULL,
    physical_networks TEXT NOT NULL,
    version TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE fleet_join_token (
    digest TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);",
    },
    Migration {
        name: "0002_standing",
        // Certificates that were issued before are not known: the first that its host shows is taken down.
        sql: "ALTER TABLE fleet_host ADD COLUMN admission TEXT NOT NULL DEFAULT 'admitted';
ALTER TABLE fleet_host ADD COLUMN drained BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fleet_host ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_host ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_host ADD COLUMN machine TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_host ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_host ADD COLUMN former_certificate TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_host ADD COLUMN certificate_expires_at BIGINT;
ALTER TABLE fleet_host ADD COLUMN trust TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_join_token ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fleet_join_token ADD COLUMN most_uses BIGINT NOT NULL DEFAULT 1;
ALTER TABLE fleet_join_token ADD COLUMN approve BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fleet_join_token ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE fleet_join_token ADD COLUMN revoked_at BIGINT;
UPDATE fleet_join_token SET uses = 1 WHERE used_at IS NOT NULL;",
    },
    Migration {
        name: "0003_updates",
        sql: "ALTER TABLE fleet_host ADD COLUMN appliance TEXT NOT NULL DEFAULT '';
CREATE TABLE fleet_update (
    host_id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    place BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);",
    },
    Migration {
        name: "0004_clocks",
        sql: "ALTER TABLE fleet_host ADD COLUMN clock_offset BIGINT;
ALTER TABLE fleet_host ADD COLUMN clock_error BIGINT;",
    },
    Migration { name: "0005_numa", sql: "ALTER TABLE fleet_host ADD COLUMN numa TEXT NOT NULL DEFAULT '[]';" },
    Migration { name: "0006_cpu", sql: "ALTER TABLE fleet_host ADD COLUMN cpu TEXT;" },
];
