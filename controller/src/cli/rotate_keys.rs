//! `controller rotate-keys`: as `keystone-manage fernet_rotate`, `credential_migrate` and `credential_rotate`.

use crate::{
    config::Config,
    wiring::{Cloud, Platform},
};
use std::process::ExitCode;

/// How many keys of tokens stay: the staged one, the primary, and one whose tokens have not ended.
const TOKEN_KEYS: usize = 3;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which keys
    #[arg(value_enum)]
    which: Which,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// Of tokens: rotate no more often than tokens last
    Tokens,
    /// Of credentials; all are sealed anew
    Credentials,
}

/// Running controllers take the new keys without a restart.
pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let cloud = Cloud::open(Platform::open(config).await?).await?;
    match arguments.which {
        Which::Tokens => cloud.identity.rotate_token_keys(TOKEN_KEYS)?,
        Which::Credentials => {
            let count = cloud.identity.rotate_credential_keys().await?;
            println!("{count} credentials are sealed anew.");
        }
    }
    cloud.platform.db.close().await;
    Ok(ExitCode::SUCCESS)
}
