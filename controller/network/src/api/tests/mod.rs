//! The REST edge, against both databases.

mod access;
mod l3;
mod lists;
mod networks;
mod ports;
mod security_groups;
mod wire;

use crate::testing::{Cloud, text};
use serde_json::Value;

/// The error's type of an answer with this status.
fn kind(answer: &(u16, Value), status: u16) -> String {
    assert_eq!(answer.0, status, "{}", answer.1);
    text(&answer.1["NeutronError"]["type"])
}

async fn ids(cloud: &Cloud, token: &str, path: &str, collection: &str) -> Vec<String> {
    let (status, answer) = cloud.get(token, path).await;
    assert_eq!(status, 200, "{answer}");
    answer[collection].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
}
