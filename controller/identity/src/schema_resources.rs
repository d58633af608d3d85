//! Migrations of what came after the first tables: domains' configurations, the catalog's filters, limits, events.

use controller_db::Migration;

pub(crate) const DOMAIN_CONFIG: Migration = Migration {
    name: "0002_domain_config",
    sql: "CREATE TABLE identity_domain_config (
    domain_id TEXT NOT NULL,
    group_name TEXT NOT NULL,
    option_name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (domain_id, group_name, option_name)
);",
};

pub(crate) const CATALOG_AND_LIMITS: Migration = Migration {
    name: "0003_catalog_and_limits",
    sql: "CREATE TABLE identity_project_endpoint (
    project_id TEXT NOT NULL REFERENCES identity_project (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES identity_endpoint (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE TABLE identity_endpoint_group (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    filters TEXT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE identity_project_endpoint_group (
    project_id TEXT NOT NULL REFERENCES identity_project (id) ON DELETE CASCADE,
    endpoint_group_id TEXT NOT NULL REFERENCES identity_endpoint_group (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE TABLE identity_policy_association (
    endpoint_id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    region_id TEXT NOT NULL,
    policy_id TEXT NOT NULL REFERENCES identity_policy (id) ON DELETE CASCADE,
    PRIMARY KEY (endpoint_id, service_id, region_id)
);
CREATE TABLE identity_registered_limit (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_service (id) ON DELETE CASCADE,
    region_id TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    default_limit BIGINT NOT NULL,
    description TEXT,
    generation BIGINT NOT NULL,
    UNIQUE (service_id, region_id, resource_name)
);
CREATE TABLE identity_limit (
    id TEXT PRIMARY KEY,
    registered_id TEXT NOT NULL REFERENCES identity_registered_limit (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    domain_id TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    description TEXT,
    generation BIGINT NOT NULL,
    UNIQUE (registered_id, project_id, domain_id)
);
CREATE TABLE identity_consumer (
    id TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    description TEXT,
    extra TEXT NOT NULL,
    generation BIGINT NOT NULL
);",
};

pub(crate) const EVENTS: Migration = Migration {
    name: "0004_events",
    sql: "CREATE TABLE identity_event (
    id TEXT PRIMARY KEY,
    moment BIGINT NOT NULL,
    event_type TEXT NOT NULL,
    success BIGINT NOT NULL,
    initiator_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX identity_event_moment ON identity_event (moment, id);",
};
