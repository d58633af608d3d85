//! Version documents.

use controller_web::{
    Json, MaybeContext,
    discovery::{self, Version},
};
use serde_json::{Value, json};

const VERSIONS: [Version; 1] = [Version::new("v2.0", "CURRENT", "/v2.0/")];

/// The collections that Neutron's core tells of.
const RESOURCES: [(&str, &str); 4] =
    [("subnet", "subnets"), ("network", "networks"), ("port", "ports"), ("extension", "extensions")];

/// GET /
pub async fn list(context: MaybeContext) -> Json<Value> {
    Json(discovery::list(&VERSIONS, context.url()))
}

/// GET /v2.0
pub async fn resources(context: MaybeContext) -> Json<Value> {
    let resource = |(name, collection): (&str, &str)| {
        let link = json!({"rel": "self", "href": context.url().join(&format!("/v2.0/{collection}"))});
        json!({"name": name, "collection": collection, "links": [link]})
    };
    Json(json!({"resources": RESOURCES.map(resource)}))
}
