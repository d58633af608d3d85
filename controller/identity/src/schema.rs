//! The tables.

use controller_db::Migration;

/// Identity's migrations, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_identity",
        sql: "CREATE TABLE identity_project (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL,
    parent_id TEXT REFERENCES identity_project (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    is_domain BIGINT NOT NULL,
    tags TEXT NOT NULL,
    options TEXT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX identity_project_parent ON identity_project (parent_id);
CREATE TABLE identity_user (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES identity_project (id),
    name TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    default_project_id TEXT,
    password_hash TEXT,
    password_changed_at BIGINT,
    password_expires_at BIGINT,
    options TEXT NOT NULL,
    extra TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE TABLE identity_group (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES identity_project (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE TABLE identity_membership (
    user_id TEXT NOT NULL REFERENCES identity_user (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES identity_group (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX identity_membership_group ON identity_membership (group_id);
CREATE TABLE identity_role (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    options TEXT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE TABLE identity_implied_role (
    prior_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
    implied_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_id, implied_id)
);
CREATE TABLE identity_assignment (
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT NOT NULL,
    role_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
    inherited BIGINT NOT NULL,
    PRIMARY KEY (actor_type, actor_id, target_type, target_id, role_id, inherited)
);
CREATE INDEX identity_assignment_target ON identity_assignment (target_type, target_id);
CREATE TABLE identity_region (
    id TEXT PRIMARY KEY,
    parent_id TEXT REFERENCES identity_region (id),
    description TEXT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE identity_service (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    enabled BIGINT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE identity_endpoint (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_service (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES identity_region (id),
    interface TEXT NOT NULL,
    url TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX identity_endpoint_service ON identity_endpoint (service_id);
CREATE TABLE identity_credential (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    project_id TEXT,
    type TEXT NOT NULL,
    encrypted_blob TEXT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX identity_credential_user ON identity_credential (user_id);
CREATE TABLE identity_policy (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    blob TEXT NOT NULL,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE identity_revocation (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    issued_before BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE TABLE identity_epoch (id BIGINT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO identity_epoch (id, value) VALUES (1, 1);",
    },
    crate::schema_resources::DOMAIN_CONFIG,
    crate::federation::schema::TABLES,
    crate::ldap::store::TABLES,
    crate::schema_authentication::DELEGATION,
    crate::schema_authentication::PASSWORDS,
    crate::schema_authentication::KEY_HASH,
    crate::schema_resources::CATALOG_AND_LIMITS,
    crate::schema_resources::EVENTS,
];
