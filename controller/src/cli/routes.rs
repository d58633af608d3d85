//! `controller routes`: from the code's own tables, for the compatibility tables in docs.

use crate::{
    config::Config,
    wiring::{Cloud, Platform},
};
use controller_web::{Access, RouteInfo};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // The services are opened on a database of their own, away from any installation.
    let state = std::env::temp_dir().join(format!("controller-routes-{}", std::process::id()));
    let config = Config { state_directory: state.clone(), ..Config::default() };
    let cloud = Cloud::open(Platform::open(config).await?).await?;
    for (prefix, service) in &cloud.services {
        for route in &service.table {
            println!("{}", line(arguments.json, prefix, service.info.name, route));
        }
    }
    cloud.platform.db.close().await;
    std::fs::remove_dir_all(&state)?;
    Ok(ExitCode::SUCCESS)
}

fn line(as_json: bool, prefix: &str, service: &str, route: &RouteInfo) -> String {
    let access = match route.access {
        Access::Public => "public".to_owned(),
        Access::Token => "any token".to_owned(),
        Access::Rule(_) | Access::AnyOf(_) => route.access.rules().join(", "),
    };
    if as_json {
        json!({"service": service, "method": route.method.as_str(), "path": format!("{prefix}{}", route.path),
            "access": access, "rules": route.access.rules()})
        .to_string()
    } else {
        format!("{:7} {prefix}{}  {access}", route.method.as_str(), route.path)
    }
}
