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
