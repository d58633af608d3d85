//! `controller host token`, and `controller join-token`, which makes one with a word less.

use super::table::{moment, shown, table};
use crate::{admin::client, config::Config};
use controller_fleet::join::DEFAULT_SECONDS;
use humilis_proto::admin::{
    CreateJoinTokenRequest, JoinToken, JoinTokenState, ListJoinTokensRequest, RevokeJoinTokenRequest,
    join_tokens_client::JoinTokensClient,
};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print a new token and the fingerprint of the federation's authority.
    Create(Create),
    /// All tokens; those that ended stay in the list for a month.
    List {
        /// A JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// End a token. Machines that joined with it stay.
    Revoke {
        /// Its id, as listed, or the token itself.
        token: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// How long it can be used, seconds.
    #[arg(long, default_value_t = DEFAULT_SECONDS, value_parser = clap::value_parser!(i64).range(1..))]
    seconds: i64,
    /// How many machines may join with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// Machines that join with it wait until an operator approves.
    #[arg(long)]
    approve: bool,
    /// What it is for.
    #[arg(long, default_value = "")]
    note: String,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Create(arguments) => create(arguments, config).await,
        Command::List { json } => list(config, json).await,
        Command::Revoke { token } => revoke(token, config).await,
    }
}

/// Prints the token and the authority's fingerprint, which a host wants both: `TOKEN sha256:FINGERPRINT`.
pub async fn create(arguments: Create, config: Config) -> anyhow::Result<ExitCode> {
    let Create { seconds, uses, approve, note } = arguments;
    let wanted = CreateJoinTokenRequest { seconds, uses, approve, note };
    let made = connect(&config).await?.create_join_token(wanted).await.map_err(client::told)?.into_inner();
    println!("{} sha256:{}", made.token, made.ca_fingerprint);
    Ok(ExitCode::SUCCESS)
}

async fn list(config: Config, json: bool) -> anyhow::Result<ExitCode> {
    let listed = connect(&config).await?.list_join_tokens(ListJoinTokensRequest {}).await.map_err(client::told)?;
    let tokens: Vec<Value> = listed.into_inner().tokens.iter().map(object).collect();
    if json {
        tokens.iter().for_each(|token| println!("{token}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["ID", "STATE", "USES", "APPROVAL", "CREATED", "UNTIL", "NOTE"].map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(row));
    print!("{}", table(&rows));
    Ok(ExitCode::SUCCESS)
}

async fn revoke(token: String, config: Config) -> anyhow::Result<ExitCode> {
    let request = RevokeJoinTokenRequest { token };
    let revoked = connect(&config).await?.revoke_join_token(request).await.map_err(client::told)?;
    println!("{} is revoked", revoked.into_inner().id);
    Ok(ExitCode::SUCCESS)
}

async fn connect(config: &Config) -> anyhow::Result<JoinTokensClient<client::Channel>> {
    Ok(JoinTokensClient::new(client::connect(config).await?))
}

fn word(state: JoinTokenState) -> &'static str {
    match state {
        JoinTokenState::Open => "open",
        JoinTokenState::UsedUp => "used up",
        JoinTokenState::Expired => "expired",
        JoinTokenState::Revoked => "revoked",
        JoinTokenState::Unspecified => "unknown",
    }
}

fn row(token: &Value) -> Vec<String> {
    let uses = format!("{}/{}", token["uses"], token["most_uses"]);
    let mut row = ["id", "state", "approve", "created_at", "expires_at"].map(|name| shown(&token[name])).to_vec();
    row.insert(2, uses);
    row.push(token["note"].as_str().unwrap_or_default().to_owned());
    row
}

fn object(token: &JoinToken) -> Value {
    json!({"id": token.id, "state": word(token.state()), "uses": token.uses, "most_uses": token.most_uses,
        "approve": token.approve, "note": token.note, "created_at": moment(token.created_at.as_ref()),
        "expires_at": moment(token.expires_at.as_ref()), "used_at": moment(token.used_at.as_ref()),
        "revoked_at": moment(token.revoked_at.as_ref())})
}
