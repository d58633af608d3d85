//! `os-security-group-rules`.

use super::api::{allowed, group_id};
use super::wire;
use crate::failure::bad_request;
use crate::schema::as_integer;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_ports::legacy_network::NewRule;
use controller_web::{Context, Json, Routes};
use http::StatusCode;
use ipnet::IpNet;
use serde_json::{Value, json};

pub(super) fn routes() -> Routes<Compute> {
    Routes::new().post("/v2.1/os-security-group-rules", "os_compute_api:os-security-groups:rule:create", create).delete(
        "/v2.1/os-security-group-rules/{id}",
        "os_compute_api:os-security-groups:rule:delete",
        delete,
    )
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:rule:create")?;
    wire::RULE.check(&body, context.microversion().minor)?;
    let rule = read(&body["security_group_rule"]).map_err(bad_request)?;
    // A group of another project is unknown, and so must its rules be.
    port.group(context.project_id()?, rule.group_id).await?;
    let made = port.create_rule(context.project_id()?, &rule).await?;
    Ok(Json(json!({"security_group_rule": wire::rule(&made)})))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let port = allowed(&compute, &context, "os_compute_api:os-security-groups:rule:delete")?;
    let id = id.parse().map_err(|_| bad_request(format!("Rule id should be uuid, not {id}")))?;
    port.delete_rule(context.project_id()?, id).await?;
    Ok(StatusCode::ACCEPTED)
}

fn read(rule: &Value) -> Result<NewRule, String> {
    let text = |name: &str| rule[name].as_str().filter(|text| !text.is_empty());
    let parent = text("parent_group_id").unwrap_or_default();
    let group = |text: &str| group_id(text).map_err(|_| format!("Security group id should be uuid, not {text}"));
    let remote_group = text("group_id").map(group).transpose()?;
    let protocol = text("ip_protocol").map(str::to_ascii_lowercase);
    let protocol = match (protocol, &remote_group) {
        (Some(protocol), _) if ["tcp", "udp", "icmp"].contains(&protocol.as_str()) => protocol,
        (Some(protocol), _) => return Err(format!("Invalid IP protocol {protocol}.")),
        (None, Some(_)) => "tcp".to_owned(),
        (None, None) => return Err("Not enough parameters to build a valid rule.".to_owned()),
    };
    let (port_min, port_max) = ports(rule, &protocol)?;
    let cidr = match text("cidr").filter(|_| remote_group.is_none()) {
        None => None,
        Some(text) => Some(text.parse::<IpNet>().map_err(|_| format!("Invalid cidr {text}"))?),
    };
    Ok(NewRule { group_id: group(parent)?, protocol, port_min, port_max, cidr, remote_group })
}

/// -1 stands for all of ICMP; the ports of TCP and UDP must be told.
fn ports(rule: &Value, protocol: &str) -> Result<(Option<u16>, Option<u16>), String> {
    let number = |name: &str| rule.get(name).and_then(as_integer);
    let (first, last) = (number("from_port"), number("to_port"));
    let invalid = || format!("Invalid port range {}:{}.", first.unwrap_or(-1), last.unwrap_or(-1));
    if protocol == "icmp" {
        let part = |number: Option<i64>| match number {
            None | Some(-1) => Ok(None),
            Some(number) if (0..=255).contains(&number) => Ok(u16::try_from(number).ok()),
            Some(_) => Err(invalid()),
        };
        return Ok((part(first)?, part(last)?));
    }
    let port = |number: Option<i64>| number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok((Some(first), Some(last))),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "a3f1c2d4-5e6f-4701-8899-aabbccddeeff";

    fn rule(more: Value) -> Result<NewRule, String> {
        let mut rule = json!({"parent_group_id": GROUP, "ip_protocol": "tcp", "from_port": 22, "to_port": 22});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(&rule)
    }

    #[test]
    fn rules_are_read() {
        let plain = rule(json!({})).unwrap();
        assert_eq!((plain.port_min, plain.port_max, plain.cidr), (Some(22), Some(22), None));
        let ping = rule(json!({"ip_protocol": "ICMP", "from_port": -1, "to_port": -1})).unwrap();
        assert_eq!((ping.protocol.as_str(), ping.port_min, ping.port_max), ("icmp", None, None));
        assert!(rule(json!({"cidr": "10.0.0.0/8"})).unwrap().cidr.is_some());
    }

    #[test]
    fn nonsense_is_refused() {
        for more in [
            json!({"ip_protocol": "bad"}),
            json!({"from_port": 0}),
            json!({"to_port": 21}),
            json!({"to_port": 65536}),
            json!({"cidr": "10.0.0.0/99"}),
            json!({"parent_group_id": "x"}),
            json!({"ip_protocol": null}),
        ] {
            assert!(rule(more.clone()).is_err(), "{more}");
        }
    }
}
