//! Migrations of what proves who one is: application credentials, trusts, passwords and what ends tokens.

use controller_db::Migration;

pub(crate) const KEY_HASH: Migration = Migration {
    name: "0005_credential_key_hash",
    sql: "ALTER TABLE identity_credential ADD COLUMN key_hash TEXT NOT NULL DEFAULT '';",
};
pub(crate) const PASSWORDS: Migration = Migration {
    name: "0004_passwords",
    sql: "CREATE TABLE identity_password (
    user_id TEXT NOT NULL REFERENCES identity_user (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (user_id, hash)
);
CREATE TABLE identity_user_activity (
    user_id TEXT PRIMARY KEY REFERENCES identity_user (id) ON DELETE CASCADE,
    failures BIGINT NOT NULL,
    failed_at BIGINT,
    active_at BIGINT,
    self_service BIGINT NOT NULL
);",
};
pub(crate) const DELEGATION: Migration = Migration {
    name: "0003_delegation",
    sql: "CREATE TABLE identity_app_credential (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    secret_hash TEXT NOT NULL,
    expires_at BIGINT,
    unrestricted BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX identity_app_credential_project ON identity_app_credential (project_id);
CREATE TABLE identity_app_credential_role (
    credential_id TEXT NOT NULL REFERENCES identity_app_credential (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
    PRIMARY KEY (credential_id, role_id)
);
CREATE TABLE identity_access_rule (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    service TEXT NOT NULL,
    path TEXT NOT NULL,
    method TEXT NOT NULL,
    UNIQUE (user_id, service, path, method)
);
CREATE TABLE identity_app_credential_rule (
    credential_id TEXT NOT NULL REFERENCES identity_app_credential (id) ON DELETE CASCADE,
    rule_id TEXT NOT NULL REFERENCES identity_access_rule (id),
    PRIMARY KEY (credential_id, rule_id)
);
CREATE INDEX identity_app_credential_rule_rule ON identity_app_credential_rule (rule_id);
CREATE TABLE identity_trust (
    id TEXT PRIMARY KEY,
    trustor_user_id TEXT NOT NULL,
    trustee_user_id TEXT NOT NULL,
    project_id TEXT,
    impersonation BIGINT NOT NULL,
    expires_at BIGINT,
    remaining_uses BIGINT,
    redelegated_trust_id TEXT,
    redelegation_count BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX identity_trust_trustor ON identity_trust (trustor_user_id);
CREATE INDEX identity_trust_trustee ON identity_trust (trustee_user_id);
CREATE INDEX identity_trust_redelegated ON identity_trust (redelegated_trust_id);
CREATE TABLE identity_trust_role (
    trust_id TEXT NOT NULL REFERENCES identity_trust (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
    PRIMARY KEY (trust_id, role_id)
);",
};
