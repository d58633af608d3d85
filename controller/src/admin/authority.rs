//! The federation's certificate authority, and how it is replaced.

use super::{Admin, convert, unavailable};
use crate::wiring::publish_authority;
use controller_fleet::authority::{AuthorityError, AuthorityInfo};
use humilis_proto::admin as wire;
use tonic::{Request, Response, Status};

type State = Result<Response<wire::AuthorityState>, Status>;

#[tonic::async_trait]
impl wire::authority_server::Authority for Admin {
    async fn show_authority(&self, _: Request<wire::ShowAuthorityRequest>) -> State {
        self.state().await
    }

    async fn begin_rotation(&self, _: Request<wire::BeginRotationRequest>) -> State {
        let platform = &self.cloud.platform;
        platform.authority.begin_rotation(platform.clock.now()).map_err(untouched)?;
        self.publish()?;
        tracing::info!("the federation's authority is being replaced: hosts renew their certificates");
        self.state().await
    }

    async fn finish_rotation(&self, request: Request<wire::FinishRotationRequest>) -> State {
        let authority = &self.cloud.platform.authority;
        let behind = self.cloud.hub.behind(authority).await.map_err(unavailable)?;
        if !behind.is_empty() && !request.into_inner().force {
            let why = format!("these hosts have not renewed yet and would have to join again: {}", behind.join(", "));
            return Err(Status::failed_precondition(why));
        }
        authority.finish_rotation().map_err(untouched)?;
        self.publish()?;
        tracing::info!(fingerprint = authority.fingerprint(), "the federation has a new authority");
        self.state().await
    }
}

impl Admin {
    fn publish(&self) -> Result<(), Status> {
        publish_authority(&self.cloud).map_err(|error| Status::unavailable(format!("{error:#}")))
    }

    async fn state(&self) -> State {
        let authority = &self.cloud.platform.authority;
        let behind = self.cloud.hub.behind(authority).await.map_err(unavailable)?;
        let trusted = |one: AuthorityInfo| wire::TrustedAuthority {
            fingerprint: one.fingerprint,
            expires_at: convert::time(one.expires_at),
            signs_hosts: one.signs_hosts,
            serves: one.serves,
        };
        let authorities = authority.list().into_iter().map(trusted).collect();
        Ok(Response::new(wire::AuthorityState { authorities, behind }))
    }
}

fn untouched(error: AuthorityError) -> Status {
    match error {
        AuthorityError::Rotating | AuthorityError::NotRotating => Status::failed_precondition(error.to_string()),
        AuthorityError::File { .. }
        | AuthorityError::Certificate(_)
        | AuthorityError::Stored
        | AuthorityError::Request => unavailable(error),
    }
}
