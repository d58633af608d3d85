//! `controller operations`: what has not ended.

use super::table::{moment, table};
use crate::{admin::client, config::Config};
use humilis_proto::admin::{ListOperationsRequest, Operation, operations_client::OperationsClient};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only those that were begun so many seconds ago or earlier.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    older: u32,
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut client = OperationsClient::new(client::connect(&config).await?).max_decoding_message_size(usize::MAX);
    let asked = ListOperationsRequest { older_than_seconds: arguments.older };
    let operations = client.list_operations(asked).await.map_err(client::told)?.into_inner().operations;
    if arguments.json {
        operations.iter().for_each(|operation| println!("{}", object(operation)));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["KIND", "SUBJECT", "STEP", "AGE", "ATTEMPTS", "LAST ERROR"].map(str::to_owned).to_vec()];
    rows.extend(operations.iter().map(row));
    print!("{}", table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn row(operation: &Operation) -> Vec<String> {
    let step = if operation.undoing { format!("{} (undoing)", operation.step) } else { operation.step.clone() };
    let age = format!("{:.0} s", operation.age_seconds);
    let (attempts, error) = (operation.attempts.to_string(), operation.error.clone());
    vec![operation.kind.clone(), operation.subject.clone(), step, age, attempts, error]
}

fn object(operation: &Operation) -> serde_json::Value {
    json!({"id": operation.id, "kind": operation.kind, "subject": operation.subject, "step": operation.step,
        "undoing": operation.undoing, "attempts": operation.attempts, "error": operation.error,
        "created_at": moment(operation.created_at.as_ref()), "age_seconds": operation.age_seconds})
}
