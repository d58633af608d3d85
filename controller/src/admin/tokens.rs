//! Join tokens.

use super::{Admin, convert, unavailable};
use controller_fleet::join::{self, DEFAULT_SECONDS, Wanted};
use humilis_proto::admin as wire;
use tonic::{Request, Response, Status};

/// The longest that a token can be used, seconds: ten years.
const MOST_SECONDS: i64 = 3650 * 86_400;

#[tonic::async_trait]
impl wire::join_tokens_server::JoinTokens for Admin {
    async fn create_join_token(
        &self,
        request: Request<wire::CreateJoinTokenRequest>,
    ) -> Result<Response<wire::CreateJoinTokenResponse>, Status> {
        let request = request.into_inner();
        if !(0..=MOST_SECONDS).contains(&request.seconds) {
            return Err(Status::invalid_argument("seconds must be positive, and ten years at most"));
        }
        let wanted = Wanted {
            seconds: if request.seconds == 0 { DEFAULT_SECONDS } else { request.seconds },
            most_uses: request.uses.max(1),
            approve: request.approve,
            note: request.note,
        };
        let platform = &self.cloud.platform;
        let (token, stored) = join::create(&platform.db, &platform.clock, wanted).await.map_err(unavailable)?;
        Ok(Response::new(wire::CreateJoinTokenResponse {
            token: token.reveal().to_owned(),
            ca_fingerprint: platform.authority.fingerprint(),
            stored: Some(convert::join_token(&stored, platform.clock.now())),
        }))
    }

    async fn list_join_tokens(
        &self,
        _: Request<wire::ListJoinTokensRequest>,
    ) -> Result<Response<wire::ListJoinTokensResponse>, Status> {
        let platform = &self.cloud.platform;
        let tokens = join::list(&platform.db).await.map_err(unavailable)?;
        let now = platform.clock.now();
        let tokens = tokens.iter().map(|token| convert::join_token(token, now)).collect();
        Ok(Response::new(wire::ListJoinTokensResponse { tokens }))
    }

    async fn revoke_join_token(
        &self,
        request: Request<wire::RevokeJoinTokenRequest>,
    ) -> Result<Response<wire::JoinToken>, Status> {
        let platform = &self.cloud.platform;
        let named = request.into_inner().token;
        join::revoke(&platform.db, &platform.clock, &named).await.map_err(unavailable)?;
        let tokens = join::list(&platform.db).await.map_err(unavailable)?;
        let revoked = join::find(&tokens, &named).ok_or_else(|| Status::not_found("there is no such token"))?;
        Ok(Response::new(convert::join_token(revoked, platform.clock.now())))
    }
}
