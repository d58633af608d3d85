//! An image as Glance's API v2 shows it.

use super::model::Image;
use serde_json::{Map, Value, json};

/// The body of one image.
pub fn image(image: &Image) -> Value {
    let mut body: Map<String, Value> =
        image.properties.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect();
    let data = image.data.as_ref();
    let own = json!({
        "id": image.id.to_string(),
        "name": image.name,
        "owner": image.owner.to_string(),
        "status": image.status.as_str(),
        "visibility": image.visibility.as_str(),
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "os_hidden": image.hidden,
        "size": data.map(|d| d.size),
        "virtual_size": data.map(|d| d.virtual_size),
        "checksum": data.map(|d| d.checksum.clone()),
        "os_hash_algo": data.map(|_| "sha512"),
        "os_hash_value": data.map(|d| d.sha512.clone()),
        "tags": image.tags,
        "created_at": image.created_at.seconds_z(),
        "updated_at": image.updated_at.seconds_z(),
        "self": format!("/v2/images/{}", image.id),
        "file": format!("/v2/images/{}/file", image.id),
        "schema": "/v2/schemas/image",
    });
    if let Value::Object(own) = own {
        body.extend(own);
    }
    Value::Object(body)
}

/// The body of a page.
pub fn page(images: &[Image], more: bool, query: &[(String, String)]) -> Value {
    let base: Vec<_> = query.iter().filter(|(name, _)| name != "marker").collect();
    let link = |marker: Option<String>| {
        let own = marker.map(|m| ("marker".to_owned(), m));
        let pairs = base.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let pairs = pairs.chain(own.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let text: Vec<_> = pairs.map(|(n, v)| format!("{}={}", escaped(n), escaped(v))).collect();
        if text.is_empty() { "/v2/images".to_owned() } else { format!("/v2/images?{}", text.join("&")) }
    };
    let mut body = json!({
        "images": images.iter().map(image).collect::<Vec<_>>(),
        "first": link(None),
        "schema": "/v2/schemas/images",
    });
    if let (true, Some(last)) = (more, images.last()) {
        body["next"] = Value::from(link(Some(last.id.to_string())));
    }
    body
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}
