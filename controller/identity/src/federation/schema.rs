//! The tables of federation.

use controller_db::Migration;

/// Providers, protocols, mappings, service providers; who of them came as which user; memberships that end by themselves.
pub(crate) const TABLES: Migration = Migration {
    name: "0002_federation",
    sql: "CREATE TABLE identity_provider (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES identity_project (id),
    enabled BIGINT NOT NULL,
    description TEXT,
    authorization_ttl BIGINT,
    generation BIGINT NOT NULL
);
CREATE INDEX identity_provider_domain ON identity_provider (domain_id);
CREATE TABLE identity_provider_remote (
    remote_id TEXT PRIMARY KEY,
    provider_id TEXT NOT NULL REFERENCES identity_provider (id) ON DELETE CASCADE
);
CREATE INDEX identity_provider_remote_provider ON identity_provider_remote (provider_id);
CREATE TABLE identity_mapping (
    id TEXT PRIMARY KEY,
    schema_version TEXT NOT NULL,
    rules TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE identity_federation_protocol (
    provider_id TEXT NOT NULL REFERENCES identity_provider (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    mapping_id TEXT NOT NULL,
    remote_id_attribute TEXT,
    generation BIGINT NOT NULL,
    PRIMARY KEY (provider_id, id)
);
CREATE TABLE identity_service_provider (
    id TEXT PRIMARY KEY,
    auth_url TEXT NOT NULL,
    sp_url TEXT NOT NULL,
    description TEXT,
    enabled BIGINT NOT NULL,
    relay_state_prefix TEXT,
    generation BIGINT NOT NULL
);
CREATE TABLE identity_federated_user (
    provider_id TEXT NOT NULL REFERENCES identity_provider (id) ON DELETE CASCADE,
    protocol_id TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES identity_user (id) ON DELETE CASCADE,
    display_name TEXT NOT NULL,
    PRIMARY KEY (provider_id, protocol_id, unique_id)
);
CREATE INDEX identity_federated_user_user ON identity_federated_user (user_id);
ALTER TABLE identity_membership ADD COLUMN expires_at BIGINT;
ALTER TABLE identity_membership ADD COLUMN provider_id TEXT;
CREATE INDEX identity_membership_end ON identity_membership (expires_at);
",
};
