//! `controller bootstrap`.

use crate::{
    config::Config,
    wiring::{Cloud, Platform, bootstrap},
};
use std::process::ExitCode;

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let cloud = Cloud::open(Platform::open(config).await?).await?;
    bootstrap(&cloud, true).await?;
    println!("{}", cloud.platform.config.state_directory.join("clouds.yaml").display());
    cloud.platform.db.close().await;
    Ok(ExitCode::SUCCESS)
}
