//! `controller routes`: from the code's own tables, for the compatibility tables in docs.

use crate::wiring;
use controller_web::{Access, RouteInfo};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    for (service, prefix, table) in wiring::tables() {
        for route in &table {
            println!("{}", line(arguments.json, prefix, service, route));
        }
    }
    ExitCode::SUCCESS
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
