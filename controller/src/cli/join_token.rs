//! `controller join-token`.

use crate::{config::Config, wiring::Platform};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long it can be used, seconds.
    #[arg(long, default_value_t = controller_fleet::join::DEFAULT_SECONDS)]
    seconds: i64,
}

/// Prints the token and the authority's fingerprint, which a host wants both: `TOKEN sha256:FINGERPRINT`.
pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let platform = Platform::open(config).await?;
    // The tables are there also when the controller never ran.
    platform.db.migrate("fleet", controller_fleet::MIGRATIONS).await?;
    let token = controller_fleet::join::create(&platform.db, &platform.clock, arguments.seconds).await?;
    println!("{} sha256:{}", token.reveal(), platform.authority.fingerprint());
    platform.db.close().await;
    Ok(ExitCode::SUCCESS)
}
