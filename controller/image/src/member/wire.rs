//! Members as Glance's API v2 shows them.

use super::Member;
use controller_base::id::ImageId;
use serde_json::{Value, json};

/// The body of one member.
pub fn member(image: ImageId, member: &Member) -> Value {
    json!({
        "image_id": image.to_string(),
        "member_id": member.project.to_string(),
        "status": member.status.as_str(),
        "created_at": member.created_at.seconds_z(),
        "updated_at": member.updated_at.seconds_z(),
        "schema": "/v2/schemas/member",
    })
}

/// The body of all members.
pub fn members(image: ImageId, members: &[Member]) -> Value {
    let members: Vec<_> = members.iter().map(|m| member(image, m)).collect();
    json!({"members": members, "schema": "/v2/schemas/members"})
}
