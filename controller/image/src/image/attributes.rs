//! What tenants may say of an image: names, types, limits. Pure; used by create and by patch.

use super::model::{Image, ImageError, Status, Visibility};
use controller_base::id::ImageId;
use serde_json::{Map, Value};

/// Formats that the catalogue knows.
pub const DISK_FORMATS: &[&str] =
    &["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso", "gpt"];
/// Containers that the catalogue knows.
pub const CONTAINER_FORMATS: &[&str] = &["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];

const READ_ONLY: &[&str] = &[
    "status",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "created_at",
    "updated_at",
    "stores",
    "locations",
];
const RESERVED: &[&str] = &["deleted", "deleted_at", "os_glance_import_task", "os_glance_stage_host"];
/// What cannot be taken away, only changed.
pub const BASE: &[&str] = &[
    "id",
    "name",
    "owner",
    "visibility",
    "tags",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
];
const MAX_PROPERTIES: usize = 128;
const MAX_TAGS: usize = 128;
const MAX_TEXT: usize = 255;
const MAX_PROPERTY: usize = 65_535;

/// Sets every attribute of a create request's body.
pub fn apply_all(image: &mut Image, body: &Map<String, Value>) -> Result<(), ImageError> {
    for (name, value) in body {
        match (name.as_str(), value) {
            ("id", Value::String(id)) => {
                image.id =
                    id.parse::<ImageId>().map_err(|_| mismatch(&format!("'{id}' does not match UUID pattern")))?;
            }
            _ => set(image, name, value)?,
        }
    }
    Ok(())
}

/// Sets one attribute.
pub fn set(image: &mut Image, name: &str, value: &Value) -> Result<(), ImageError> {
    writable(name)?;
    match name {
        "name" => image.name = optional_text(name, value, MAX_TEXT)?,
        "owner" => image.owner = required_text(name, value)?.parse().map_err(|_| mismatch("owner is no project id"))?,
        "visibility" => image.visibility = visibility(value)?,
        "tags" => image.tags = tags(value)?,
        "disk_format" => image.disk_format = format(image, name, value, DISK_FORMATS)?,
        "container_format" => image.container_format = format(image, name, value, CONTAINER_FORMATS)?,
        "min_disk" => image.min_disk = size(name, value)?,
        "min_ram" => image.min_ram = size(name, value)?,
        "protected" => image.protected = flag(name, value)?,
        "os_hidden" => image.hidden = flag(name, value)?,
        _ => {
            let text = optional_text(name, value, MAX_PROPERTY)?;
            if name.chars().count() > MAX_TEXT {
                return Err(mismatch("property names are limited to 255 characters"));
            }
            image.properties.insert(name.to_owned(), text.unwrap_or_default());
        }
    }
    if image.properties.len() > MAX_PROPERTIES {
        return Err(ImageError::Invalid(format!(
            "The limit has been exceeded on the number of allowed image properties. Attempted: {}, Maximum: {MAX_PROPERTIES}",
            image.properties.len()
        )));
    }
    Ok(())
}

/// Whether tenants may name this attribute at all.
pub fn writable(name: &str) -> Result<(), ImageError> {
    if READ_ONLY.contains(&name) || name == "id" {
        return Err(ImageError::ReadOnly(name.to_owned()));
    }
    if RESERVED.contains(&name) || name.starts_with("os_glance") {
        return Err(ImageError::Forbidden(format!("Attribute '{name}' is reserved.")));
    }
    Ok(())
}

/// A tag as Glance accepts it.
pub fn tag(text: &str) -> Result<String, ImageError> {
    if text.chars().count() > MAX_TEXT {
        return Err(mismatch(&format!("'{text}' is too long")));
    }
    Ok(text.to_owned())
}

fn tags(value: &Value) -> Result<Vec<String>, ImageError> {
    let items = value.as_array().ok_or_else(|| mismatch(&format!("{value} is not of type 'array'")))?;
    let mut tags: Vec<String> =
        items.iter().map(|item| tag(&required_text("tags", item)?)).collect::<Result<_, _>>()?;
    tags.sort();
    tags.dedup();
    if tags.len() > MAX_TAGS {
        return Err(ImageError::Invalid(format!(
            "The limit has been exceeded on the number of allowed image tags. Attempted: {}, Maximum: {MAX_TAGS}",
            tags.len()
        )));
    }
    Ok(tags)
}

fn format(image: &Image, name: &str, value: &Value, known: &[&str]) -> Result<Option<String>, ImageError> {
    let word = optional_text(name, value, MAX_TEXT)?;
    if let Some(word) = &word
        && !known.contains(&word.as_str())
    {
        return Err(mismatch(&format!("'{word}' is not one of {known:?}")));
    }
    if image.status != Status::Queued {
        return Err(ImageError::Forbidden(format!("Attribute {name} can be only replaced for a queued image.")));
    }
    Ok(word)
}

fn visibility(value: &Value) -> Result<Visibility, ImageError> {
    let word = required_text("visibility", value)?;
    Visibility::parse(&word)
        .ok_or_else(|| mismatch(&format!("'{word}' is not one of ['community', 'public', 'private', 'shared']")))
}

fn required_text(name: &str, value: &Value) -> Result<String, ImageError> {
    let text = optional_text(name, value, MAX_TEXT)?;
    text.ok_or_else(|| mismatch("None is not of type 'string'"))
}

fn optional_text(name: &str, value: &Value, limit: usize) -> Result<Option<String>, ImageError> {
    match value {
        Value::Null if BASE.contains(&name) => Ok(None),
        Value::String(text) if text.chars().count() > limit => Err(mismatch(&format!("{name} is too long"))),
        Value::String(text) if text.contains('\0') => Err(mismatch(&format!("{name} contains a NUL"))),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(mismatch(&format!("{other} is not of type 'string'"))),
    }
}

fn size(name: &str, value: &Value) -> Result<i64, ImageError> {
    let number = value.as_i64().filter(|n| (0..=2_147_483_647).contains(n));
    number.ok_or_else(|| mismatch(&format!("{value} is not a valid {name}")))
}

fn flag(name: &str, value: &Value) -> Result<bool, ImageError> {
    value.as_bool().ok_or_else(|| mismatch(&format!("{value} is not of type 'boolean' ({name})")))
}

fn mismatch(detail: &str) -> ImageError {
    ImageError::Invalid(format!("Provided object does not match schema 'image': {detail}"))
}
