//! After the kills: what everyone and everything must be like.

use super::{leftovers, still::Still, stream::Stream};
use anyhow::{Result, ensure};
use humilis_harness::{cloud::Cloud, guest::GuestProcess, rest::Client};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Until every server is at rest, or gone.
const SETTLE: Duration = Duration::from_secs(90);
/// Until nothing is left.
const CONVERGE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// All that is wrong.
pub async fn judge(
    cloud: &Cloud,
    client: &Client,
    stream: &Stream,
    stills: &[Still],
    before: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let mut problems: Vec<String> = stream.tally().wrong.iter().cloned().collect();
    let (servers, stuck) = settle(client, cloud).await?;
    problems.extend(stuck);
    report(stream, &servers);
    problems.extend(unasked(stream, &servers));
    for still in stills {
        if let Err(error) = still.check(&cloud.plan.folder) {
            problems.push(format!("server {}, which nobody touched, noticed something: {error:#}", still.id));
        }
    }
    problems.extend(delete_all(client, stills).await?);
    let images: Vec<_> = stream.tally().images.iter().cloned().collect();
    for image in images {
        client.try_call("DELETE", "image", &format!("/v2/images/{image}"), None).await?;
    }
    problems.extend(audited(cloud).await);
    problems.extend(left(cloud, before).await?);
    Ok(problems)
}

async fn servers(client: &Client) -> Result<Vec<Value>> {
    let answer = client.call("GET", "compute", "/servers/detail?all_tenants=1", None).await?;
    ensure!(answer["servers"].is_array(), "the list of servers is {answer}");
    Ok(answer["servers"].as_array().cloned().unwrap_or_default())
}

/// Waits until all are at rest and processes fit to states; gives them, and what does not fit.
async fn settle(client: &Client, cloud: &Cloud) -> Result<(Vec<Value>, Vec<String>)> {
    let end = Instant::now() + SETTLE;
    loop {
        let servers = servers(client).await?;
        let running: BTreeSet<_> = GuestProcess::all(&cloud.plan.folder).into_iter().map(|p| p.server).collect();
        let stuck: Vec<_> = servers.iter().filter_map(|server| unrest(server, &running)).collect();
        if stuck.is_empty() || Instant::now() > end {
            return Ok((servers, stuck));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why a server is not at rest.
fn unrest(server: &Value, running: &BTreeSet<String>) -> Option<String> {
    let id = server["id"].as_str().unwrap_or_default();
    let (status, task) = (server["status"].as_str().unwrap_or_default(), &server["OS-EXT-STS:task_state"]);
    let runs = running.contains(id);
    let fits = match status {
        "ACTIVE" => runs,
        "SHUTOFF" => !runs,
        "ERROR" => !runs && server["fault"]["message"].is_string(),
        _ => false,
    };
    let has = if runs { "a process" } else { "no process" };
    (!fits || !task.is_null()).then(|| format!("server {id} is {status}, task {task}, with {has}: {}", server["fault"]))
}

/// Servers that are off although nobody stopped them: a guest whose process was killed is started again.
fn unasked(stream: &Stream, servers: &[Value]) -> Vec<String> {
    let tally = stream.tally();
    let stopped = |server: &Value| server["id"].as_str().is_some_and(|id| tally.stopped.contains(id));
    let off = servers.iter().filter(|server| server["status"] == "SHUTOFF" && !stopped(server));
    off.map(|server| format!("server {} is off and nobody stopped it: {}", server["id"], server["fault"])).collect()
}

fn report(stream: &Stream, servers: &[Value]) {
    let tally = stream.tally();
    let requests: Vec<_> = tally.requests.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!("requests answered: {}", requests.join(", "));
    let mut states = BTreeMap::<_, usize>::new();
    for server in servers {
        *states.entry(server["status"].as_str().unwrap_or("?")).or_default() += 1;
    }
    let gone = tally.servers.iter().filter(|id| !servers.iter().any(|server| server["id"] == ***id)).count();
    println!("servers made: {}; in the end: gone {gone}, {states:?}", tally.servers.len());
    let failed = servers.iter().filter(|server| server["status"] == "ERROR");
    for server in failed.filter(|server| !stream.is_broken(server)) {
        println!("  ERROR of a good image: {}", server["fault"]["message"]);
    }
}

/// Deletes servers, and everything of networks.
async fn delete_all(client: &Client, stills: &[Still]) -> Result<Vec<String>> {
    for still in stills {
        still.release(client).await?;
    }
    for server in servers(client).await? {
        let path = format!("/servers/{}", server["id"].as_str().unwrap_or_default());
        client.try_call("DELETE", "compute", &path, None).await?;
    }
    let end = Instant::now() + SETTLE;
    loop {
        let left = servers(client).await?;
        if left.is_empty() {
            break;
        }
        if Instant::now() > end {
            let state = |server: &Value| {
                format!(
                    "server {} is not gone: {}, task {}",
                    server["id"], server["status"], server["OS-EXT-STS:task_state"]
                )
            };
            return Ok(left.iter().map(state).collect());
        }
        tokio::time::sleep(PAUSE).await;
    }
    networks(client).await
}

async fn networks(client: &Client) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let ports = client.call("GET", "network", "/v2.0/ports", None).await?;
    for port in ports["ports"].as_array().into_iter().flatten() {
        let owner = port["device_owner"].as_str().unwrap_or_default();
        if owner.starts_with("compute:") {
            problems.push(format!("port {} of server {} is left", port["id"], port["device_id"]));
        }
        if owner == "network:router_interface" {
            let router = port["device_id"].as_str().unwrap_or_default();
            let body = serde_json::json!({"port_id": port["id"]});
            let path = format!("/v2.0/routers/{router}/remove_router_interface");
            client.call("PUT", "network", &path, Some(body)).await?;
        }
    }
    for kind in ["routers", "networks"] {
        let list = client.call("GET", "network", &format!("/v2.0/{kind}"), None).await?;
        for item in list[kind].as_array().into_iter().flatten() {
            let path = format!("/v2.0/{kind}/{}", item["id"].as_str().unwrap_or_default());
            client.call("DELETE", "network", &path, None).await?;
        }
    }
    Ok(problems)
}

/// What the controller's audit finds in the end.
async fn audited(cloud: &Cloud) -> Option<String> {
    let end = Instant::now() + CONVERGE;
    loop {
        match cloud.audit() {
            Ok(()) => return None,
            Err(error) if Instant::now() > end => return Some(format!("the audit finds: {error:#}")),
            Err(_) => tokio::time::sleep(PAUSE * 5).await,
        }
    }
}

async fn left(cloud: &Cloud, before: &BTreeSet<String>) -> Result<Vec<String>> {
    let end = Instant::now() + CONVERGE;
    loop {
        let now = leftovers::list(cloud)?;
        let left: Vec<_> = now.difference(before).map(|item| format!("left: {item}")).collect();
        if left.is_empty() || Instant::now() > end {
            return Ok(left);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
