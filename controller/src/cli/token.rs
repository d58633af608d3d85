//! `controller host token`, and `controller join-token`, which makes one with a word less. They work on the database, also when no
//! controller runs.

use super::table::table;
use crate::{config::Config, wiring::Platform};
use anyhow::bail;
use controller_base::Timestamp;
use controller_fleet::join::{self, JoinToken, Wanted};
use serde_json::json;
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
    #[arg(long, default_value_t = join::DEFAULT_SECONDS, value_parser = clap::value_parser!(i64).range(1..))]
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
        Command::Revoke { token } => revoke(&token, config).await,
    }
}

/// Prints the token and the authority's fingerprint, which a host wants both: `TOKEN sha256:FINGERPRINT`.
pub async fn create(arguments: Create, config: Config) -> anyhow::Result<ExitCode> {
    let platform = open(config).await?;
    let Create { seconds, uses, approve, note } = arguments;
    let wanted = Wanted { seconds, most_uses: uses, approve, note };
    let (token, _) = join::create(&platform.db, &platform.clock, wanted).await?;
    println!("{} sha256:{}", token.reveal(), platform.authority.fingerprint());
    platform.db.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(config: Config, json: bool) -> anyhow::Result<ExitCode> {
    let platform = open(config).await?;
    let (tokens, now) = (join::list(&platform.db).await?, platform.clock.now());
    platform.db.close().await;
    if json {
        tokens.iter().for_each(|token| println!("{}", object(token, now)));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["ID", "STATE", "USES", "APPROVAL", "CREATED", "UNTIL", "NOTE"].map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| row(token, now)));
    print!("{}", table(&rows));
    Ok(ExitCode::SUCCESS)
}

async fn revoke(token: &str, config: Config) -> anyhow::Result<ExitCode> {
    let platform = open(config).await?;
    let revoked = join::revoke(&platform.db, &platform.clock, token).await?;
    platform.db.close().await;
    let Some(revoked) = revoked else { bail!("there is no such token") };
    println!("{} is revoked", revoked.id());
    Ok(ExitCode::SUCCESS)
}

/// The tables are there also when the controller never ran.
async fn open(config: Config) -> anyhow::Result<Platform> {
    let platform = Platform::open(config).await?;
    platform.db.migrate("fleet", controller_fleet::MIGRATIONS).await?;
    Ok(platform)
}

fn state(token: &JoinToken, now: Timestamp) -> &'static str {
    match token.ended(now) {
        None => "open",
        Some(join::Ended::UsedUp) => "used up",
        Some(join::Ended::Expired) => "expired",
        Some(join::Ended::Revoked) => "revoked",
        Some(join::Ended::Unknown) => "unknown",
    }
}

fn row(token: &JoinToken, now: Timestamp) -> Vec<String> {
    vec![
        token.id().to_owned(),
        state(token, now).to_owned(),
        format!("{}/{}", token.uses, token.most_uses),
        if token.approve { "yes" } else { "no" }.to_owned(),
        token.created_at.seconds_z(),
        token.expires_at.seconds_z(),
        token.note.clone(),
    ]
}

fn object(token: &JoinToken, now: Timestamp) -> serde_json::Value {
    json!({"id": token.id(), "state": state(token, now), "uses": token.uses, "most_uses": token.most_uses,
        "approve": token.approve, "note": token.note, "created_at": token.created_at.seconds_z(),
        "expires_at": token.expires_at.seconds_z(), "used_at": token.used_at.map(Timestamp::seconds_z),
        "revoked_at": token.revoked_at.map(Timestamp::seconds_z)})
}
