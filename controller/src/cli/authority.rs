//! `controller authority`: the federation's certificate authority, and how it is replaced while hosts are connected.

use super::table::{moment, table};
use crate::{admin::client, config::Config};
use humilis_proto::admin::{
    AuthorityState, BeginRotationRequest, FinishRotationRequest, ShowAuthorityRequest,
    authority_client::AuthorityClient,
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Which authorities are trusted, and which hosts have not yet followed a change.
    Show,
    /// Make a new authority beside this one: both are trusted, and hosts get certificates of the new one.
    Begin,
    /// Trust the new authority alone, and delete the old one's key.
    Finish {
        /// Also when hosts have not followed; they have to join again.
        #[arg(long)]
        force: bool,
    },
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut authority = AuthorityClient::new(client::connect(&config).await?);
    let state = match arguments.command {
        Command::Show => authority.show_authority(ShowAuthorityRequest {}).await,
        Command::Begin => authority.begin_rotation(BeginRotationRequest {}).await,
        Command::Finish { force } => authority.finish_rotation(FinishRotationRequest { force }).await,
    };
    print!("{}", render(&state.map_err(client::told)?.into_inner()));
    Ok(ExitCode::SUCCESS)
}

fn render(state: &AuthorityState) -> String {
    let mut rows = vec![["AUTHORITY", "UNTIL", "USE"].map(str::to_owned).to_vec()];
    for one in &state.authorities {
        let mut uses = vec!["trusted"];
        uses.extend(one.serves.then_some("shown by the controller"));
        uses.extend(one.signs_hosts.then_some("signs hosts"));
        let until = moment(one.expires_at.as_ref()).unwrap_or_default();
        rows.push(vec![format!("sha256:{}", one.fingerprint), until, uses.join(", ")]);
    }
    let behind = match state.behind.as_slice() {
        [] => String::new(),
        names => format!("hosts that have not renewed yet: {}\n", names.join(", ")),
    };
    table(&rows) + &behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use humilis_proto::admin::TrustedAuthority;

    #[test]
    fn who_is_behind_is_named() {
        let one = TrustedAuthority { fingerprint: "ab".to_owned(), serves: true, ..TrustedAuthority::default() };
        let behind = ["a", "b"].map(str::to_owned).to_vec();
        let text = render(&AuthorityState { authorities: vec![one], behind });
        assert!(text.contains("trusted, shown by the controller\n"), "{text}");
        assert!(text.ends_with("hosts that have not renewed yet: a, b\n"));
    }
}
