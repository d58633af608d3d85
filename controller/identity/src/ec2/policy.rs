//! Who may do what with access keys: Keystone's names and defaults.

use controller_web::RuleDefault;

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const WRITE: &str = "rule:admin_required or (role:member and user_id:%(target.credential.user_id)s)";

pub(crate) const RULES: &[RuleDefault] = &[
    rule(
        "identity:ec2_get_credential",
        "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
        "Show an access key",
    ),
    rule(
        "identity:ec2_list_credentials",
        "rule:admin_required or (role:reader and system_scope:all) or rule:owner",
        "List a user's access keys",
    ),
    rule("identity:ec2_create_credential", WRITE, "Create an access key"),
    rule("identity:ec2_delete_credential", WRITE, "Delete an access key"),
    rule("identity:ec2tokens_validate", "rule:admin_required or rule:service_role", "Check an EC2 signature"),
    rule("identity:s3tokens_validate", "rule:admin_required or rule:service_role", "Check an S3 signature"),
];
