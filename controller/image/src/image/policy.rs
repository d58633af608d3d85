//! Glance's rules and their defaults: the owner's members change, its readers see, administrators do the rest.

use controller_web::RuleDefault;

const ADMIN: &str = "role:admin";
const MEMBER: &str = "role:admin or (role:member and project_id:%(project_id)s)";
const READER: &str = "role:admin or (role:reader and project_id:%(project_id)s)";
const SEEN: &str = "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or \
    'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))";

macro_rules! rules {
    ($($name:literal => $check:expr, $description:literal;)*) => {
        &[$(RuleDefault { name: $name, check: $check, description: $description },)*]
    };
}

/// Glance's rules.
pub const RULES: &[RuleDefault] = rules! {
    "add_image" => MEMBER, "Create new image";
    "get_image" => SEEN, "Get specified image";
    "get_images" => READER, "Get all available images";
    "modify_image" => MEMBER, "Updates given image";
    "delete_image" => MEMBER, "Deletes the image";
    "upload_image" => MEMBER, "Uploads data to specified image";
    "download_image" => SEEN, "Downloads given image";
    "publicize_image" => ADMIN, "Publicize given image";
    "communitize_image" => MEMBER, "Communitize given image";
    "set_image_owner" => ADMIN, "Give an image to another project";
    "deactivate" => MEMBER, "Deactivate image";
    "reactivate" => MEMBER, "Reactivate image";
    "add_member" => MEMBER, "Create image member";
    "delete_member" => MEMBER, "Delete image member";
    "get_member" => "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))", "Show image member details";
    "get_members" => "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))", "List image members";
    "modify_member" => "role:admin or (role:member and project_id:%(member_id)s)", "Update image member";
};
