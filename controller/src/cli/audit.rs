//! `controller audit`: asks the running controller.

use crate::{admin::client, config::Config};
use humilis_proto::admin::{RunAuditRequest, audit_client::AuditClient};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut audit = AuditClient::new(client::connect(&config).await?).max_decoding_message_size(usize::MAX);
    let findings = audit.run_audit(RunAuditRequest {}).await.map_err(client::told)?.into_inner().findings;
    for finding in &findings {
        let (by, kind, subject, what) = (&finding.by, &finding.kind, &finding.subject, &finding.what);
        if arguments.json {
            println!("{}", json!({"by": by, "kind": kind, "subject": subject, "what": what}));
        } else {
            println!("{by} {kind} {subject}: {what}");
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
