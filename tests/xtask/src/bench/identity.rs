//! `cargo xtask bench identity`: tokens, their validation, and long lists, over plain HTTP on loopback, beside a real Keystone's
//! figures on the same kind of machine.

use super::{Better, Figure, cloud::prepare, footprint, load};
use anyhow::{Context as _, Result, bail};
use argon2::{Algorithm, Argon2, Params, Version};
use humilis_harness::{
    controller::{Controller, PASSWORD},
    rest::Client,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long each load lasts.
const LENGTH: Duration = Duration::from_secs(3);
const USERS: usize = 10_000;
const PAGE: usize = 1_000;
const ASSIGNMENTS: usize = 1_000;
/// Requests at once while things are made.
const MAKERS: usize = 8;
const KEYSTONE: &str = "Keystone";

pub fn run() -> Result<Vec<Figure>> {
    let programs = prepare()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::Builder::new().prefix("humilis-bench-").tempdir()?;
    let controller = Controller::start(&programs.controller, folder.path(), "")?;
    runtime.block_on(measure(&controller))
}

async fn measure(controller: &Controller) -> Result<Vec<Figure>> {
    let (client, address) = (controller.login().await?, controller.address);
    let mut figures = tokens(address, &client).await?;
    figures.extend(validations(address, &client).await?);
    let user = fill(&client).await?;
    figures.extend(lists(address, &client, &user).await?);
    figures.push(lower(
        "controller's memory after it",
        footprint::memory(i32::try_from(controller.pid())?)?.0,
        "MiB",
        None,
        &[("Keystone", 222.0)],
    ));
    Ok(figures)
}

fn lower(
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
    peers: &'static [(&'static str, f64)],
) -> Figure {
    Figure { name, value, unit, goal, better: Better::Lower, peers }
}

fn get(client: &Client, path: &str, subject: Option<&str>) -> String {
    let subject = subject.map_or_else(String::new, |token| format!("X-Subject-Token: {token}\r\n"));
    format!(
        "GET /identity{path} HTTP/1.1\r\nHost: humilis\r\nX-Auth-Token: {}\r\n{subject}Accept: application/json\r\n\r\n",
        client.token()
    )
}

fn authenticate(identity: &Value, scope: Option<&Value>) -> String {
    let mut body = json!({"auth": {"identity": identity}});
    if let Some(scope) = scope {
        body["auth"]["scope"] = scope.clone();
    }
    let body = body.to_string();
    format!(
        "POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: humilis\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Issuing, beside what the hash alone costs.
async fn tokens(address: SocketAddr, client: &Client) -> Result<Vec<Figure>> {
    let scope = json!({"project": {"id": client.project_id}});
    let user = json!({"name": "admin", "domain": {"id": "default"}, "password": PASSWORD});
    let password = authenticate(&json!({"methods": ["password"], "password": {"user": user}}), Some(&scope));
    let token = authenticate(&json!({"methods": ["token"], "token": {"id": client.token()}}), Some(&scope));
    let application = application_credential(client).await?;
    let application = authenticate(&application, None);
    let hash = hash_alone()?;
    let issue = async |request: &str, connections| load::run(address, request, 201, connections, LENGTH).await;
    let by_password = issue(&password, 1).await?;
    let at_once = issue(&password, 8).await?;
    let by_application = issue(&application, 1).await?;
    let by_token = issue(&token, 1).await?;
    let (p50, ratio) = (by_password.quantile(0.5), by_password.quantile(0.5) / hash);
    Ok(vec![
        lower("the password's hash alone, p50", hash, "ms", None, &[]),
        lower("token by password, p50", p50, "ms", None, &[(KEYSTONE, 284.0)]),
        lower("token by password, over the hash alone", ratio, "x", Some(1.05), &[]),
        higher("tokens by password, concurrency 8", at_once.rate, None, &[(KEYSTONE, 6.7)]),
        lower("token by application credential, p50", by_application.quantile(0.5), "ms", None, &[]),
        lower("token by token, p50", by_token.quantile(0.5), "ms", None, &[(KEYSTONE, 7.6)]),
    ])
}

fn higher(name: &'static str, value: f64, goal: Option<f64>, peers: &'static [(&'static str, f64)]) -> Figure {
    Figure { name, value, unit: "1/s", goal, better: Better::Higher, peers }
}

async fn application_credential(client: &Client) -> Result<Value> {
    let body = json!({"application_credential": {"name": "bench", "secret": "a-secret-of-the-bench"}});
    let made = client
        .call("POST", "identity", &format!("/v3/users/{}/application_credentials", client.user_id), Some(body))
        .await?;
    let id = made["application_credential"]["id"].as_str().context("an application credential has no id")?;
    Ok(json!({"methods": ["application_credential"],
        "application_credential": {"id": id, "secret": "a-secret-of-the-bench"}}))
}

/// Milliseconds of one hash with the controller's parameters, in this process.
fn hash_alone() -> Result<f64> {
    let params = Params::new(7 * 1024, 5, 1, None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut times = Vec::new();
    for _ in 0..60 {
        let started = Instant::now();
        let mut hash = [0; 32];
        let done = argon.hash_password_into(PASSWORD.as_bytes(), b"a salt of sixteen", &mut hash);
        done.map_err(|error| anyhow::anyhow!("{error}"))?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// `GET /v3/auth/tokens`. The aims are a hundred times Keystone's rates.
async fn validations(address: SocketAddr, client: &Client) -> Result<Vec<Figure>> {
    let request = get(client, "/v3/auth/tokens", Some(client.token()));
    let load = async |connections| load::run(address, &request, 200, connections, LENGTH).await;
    let (one, eight, many) = (load(1).await?, load(8).await?, load(64).await?);
    let catalog = load::run(address, &get(client, "/v3/auth/catalog", None), 200, 1, LENGTH).await?;
    Ok(vec![
        higher("validations, concurrency 1", one.rate, Some(11_400.0), &[(KEYSTONE, 114.0)]),
        lower("validation, concurrency 1, p50", one.quantile(0.5), "ms", None, &[(KEYSTONE, 8.0)]),
        lower("validation, concurrency 1, p99", one.quantile(0.99), "ms", None, &[(KEYSTONE, 18.0)]),
        higher("validations, concurrency 8", eight.rate, Some(19_800.0), &[(KEYSTONE, 198.0)]),
        lower("validation, concurrency 8, p50", eight.quantile(0.5), "ms", None, &[]),
        lower("validation, concurrency 8, p99", eight.quantile(0.99), "ms", None, &[]),
        higher("validations, concurrency 64", many.rate, Some(19_800.0), &[(KEYSTONE, 198.0)]),
        lower("validation, concurrency 64, p50", many.quantile(0.5), "ms", None, &[]),
        lower("validation, concurrency 64, p99", many.quantile(0.99), "ms", Some(5.0), &[]),
        lower("catalog, p50", catalog.quantile(0.5), "ms", None, &[]),
    ])
}

/// Ten thousand users without passwords, and one with a thousand assignments; its id.
async fn fill(client: &Client) -> Result<String> {
    make(client, USERS, |number| {
        ("POST", "/v3/users".to_owned(), Some(json!({"user": {"name": format!("user-{number:05}")}})))
    })
    .await?;
    let user = client.call("POST", "identity", "/v3/users", Some(json!({"user": {"name": "assigned"}}))).await?;
    let user = user["user"]["id"].as_str().context("a user has no id")?.to_owned();
    let roles = client.call("GET", "identity", "/v3/roles?name=reader", None).await?;
    let role = roles["roles"][0]["id"].as_str().context("there is no role reader")?.to_owned();
    let projects = make(client, ASSIGNMENTS, |number| {
        ("POST", "/v3/projects".to_owned(), Some(json!({"project": {"name": format!("project-{number:05}")}})))
    })
    .await?;
    let ids: Vec<&str> = projects.iter().filter_map(|project| project["project"]["id"].as_str()).collect();
    make(client, ids.len(), |number| ("PUT", format!("/v3/projects/{}/users/{user}/roles/{role}", ids[number]), None))
        .await?;
    Ok(user)
}

/// Many requests, some at once; their answers.
async fn make(
    client: &Client,
    count: usize,
    request: impl Fn(usize) -> (&'static str, String, Option<Value>),
) -> Result<Vec<Value>> {
    let client = Arc::new(client.clone());
    let (mut running, mut answers) = (tokio::task::JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count {
        if running.len() >= MAKERS
            && let Some(done) = running.join_next().await
        {
            answers.push(done??);
        }
        let (client, (method, path, body)) = (Arc::clone(&client), request(number));
        running.spawn(async move { client.call(method, "identity", &path, body).await });
    }
    while let Some(done) = running.join_next().await {
        answers.push(done??);
    }
    Ok(answers)
}

async fn lists(address: SocketAddr, client: &Client, user: &str) -> Result<Vec<Figure>> {
    let p50 = async |path: &str| -> Result<f64> {
        Ok(load::run(address, &get(client, path, None), 200, 1, LENGTH).await?.quantile(0.5))
    };
    let whole = p50("/v3/users").await?;
    let page = p50(&format!("/v3/users?limit={PAGE}")).await?;
    let short = client.call("GET", "identity", &format!("/v3/users?limit={PAGE}"), None).await?;
    if short["users"].as_array().map(Vec::len) != Some(PAGE) {
        bail!("a page of users is not {PAGE} long");
    }
    let effective = p50(&format!("/v3/role_assignments?effective&user.id={user}")).await?;
    Ok(vec![
        lower("list of 10,000 users, p50", whole, "ms", None, &[]),
        lower("page of 1,000 users, p50", page, "ms", None, &[]),
        lower("1,000 effective role assignments, p50", effective, "ms", None, &[]),
    ])
}
