//! The two gRPC services and the one mapping from errors to statuses.

use super::{bundle, tls::Peer};
use crate::{
    Authority, Hub,
    enrolment::{self, EnrolError},
    host::Shown,
    session,
};
use controller_base::id::{ImageId, ServerId};
use controller_ports::fleet::PasswordError;
use futures::{StreamExt as _, stream::BoxStream};
use humilis_proto::federation::{self as wire, enrolment_server, federation_server};
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone)]
pub(super) struct Grpc {
    pub(super) hub: Arc<Hub>,
    pub(super) authority: Arc<Authority>,
}

/// For machines that are no members yet.
pub(super) struct Enrolment(pub(super) Grpc);

/// For members.
pub(super) struct Membership(pub(super) Grpc);

#[tonic::async_trait]
impl enrolment_server::Enrolment for Enrolment {
    async fn enrol(&self, request: Request<wire::EnrolRequest>) -> Result<Response<wire::EnrolResponse>, Status> {
        let address = request.extensions().get::<Peer>().map(|peer| peer.address.to_string()).unwrap_or_default();
        let request = request.into_inner();
        let hostname: String = request.hostname.chars().take(64).collect();
        let response = enrolment::enrol(&self.0.hub, &self.0.authority, request).await;
        response.map(Response::new).map_err(|error| {
            tracing::warn!(address, hostname, reason = %error, "a machine may not join");
            status(error)
        })
    }
}

#[tonic::async_trait]
impl federation_server::Federation for Membership {
    type SessionStream = ReceiverStream<Result<wire::ControllerMessage, Status>>;
    type FetchImageStream = BoxStream<'static, Result<wire::ImageChunk, Status>>;
    type FetchUpdateStream = ReceiverStream<Result<wire::ImageChunk, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<wire::HostMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let shown = shown(&request)?;
        let (hub, authority) = (Arc::clone(&self.0.hub), Arc::clone(&self.0.authority));
        session::open(hub, authority, shown, request.into_inner()).await.map(Response::new)
    }

    async fn renew(&self, request: Request<wire::RenewRequest>) -> Result<Response<wire::EnrolResponse>, Status> {
        let shown = shown(&request)?;
        let response = enrolment::renew(&self.0.hub, &self.0.authority, &shown, &request.into_inner().csr).await;
        response.map(Response::new).map_err(|error| {
            tracing::warn!(host = %shown.host, address = %shown.address, reason = %error, "a certificate was not renewed");
            status(error)
        })
    }

    async fn fetch_image(
        &self,
        request: Request<wire::FetchImageRequest>,
    ) -> Result<Response<Self::FetchImageStream>, Status> {
        let shown = shown(&request)?;
        enrolment::check(&self.0.hub, &shown).await.map_err(status)?;
        let expelled = self.0.hub.until_expelled(shown.host);
        let request = request.into_inner();
        let id: ImageId = request.image_id.parse().map_err(|e| Status::invalid_argument(format!("{e}")))?;
        let sources = self.0.hub.sources().ok_or_else(|| Status::unavailable("the controller is starting"))?;
        let end = if request.length == 0 { u64::MAX } else { request.offset.saturating_add(request.length) };
        let bytes = sources.images.open(id, request.offset..end).await.map_err(|e| unavailable(&e))?;
        let bytes = bytes.ok_or_else(|| Status::not_found(format!("image {id} has no bytes")))?;
        let chunks = bytes.map(|chunk| match chunk {
            Ok(data) => Ok(wire::ImageChunk { data: data.to_vec() }),
            Err(error) => Err(unavailable(&error)),
        });
        Ok(Response::new(chunks.take_until(Box::pin(expelled)).boxed()))
    }

    async fn find_image(
        &self,
        request: Request<wire::FindImageRequest>,
    ) -> Result<Response<wire::FindImageResponse>, Status> {
        let shown = shown(&request)?;
        enrolment::check(&self.0.hub, &shown).await.map_err(status)?;
        let request = request.into_inner();
        let id: ImageId = request.image_id.parse().map_err(|e| Status::invalid_argument(format!("{e}")))?;
        let sources = self.0.hub.sources().ok_or_else(|| Status::unavailable("the controller is starting"))?;
        let image = sources.images.get(id, None).await.map_err(|e| unavailable(&e))?;
        let content = image.and_then(|image| image.content).filter(|content| content.sha256 == request.sha256);
        let mut digest = [0; 32];
        let known = content.is_some() && hex::decode_to_slice(&request.sha256, &mut digest).is_ok();
        if !known {
            return Err(Status::not_found(format!("image {id} does not have these bytes")));
        }
        let holders = self.0.hub.find_image(shown.host, digest).await;
        Ok(Response::new(wire::FindImageResponse { holders }))
    }

    async fn fetch_update(
        &self,
        request: Request<wire::FetchUpdateRequest>,
    ) -> Result<Response<Self::FetchUpdateStream>, Status> {
        let shown = shown(&request)?;
        enrolment::check(&self.0.hub, &shown).await.map_err(status)?;
        let expelled = self.0.hub.until_expelled(shown.host);
        let depot = self.0.hub.depot().ok_or_else(|| Status::unavailable("the controller is starting"))?;
        bundle::send(Arc::clone(depot), request.into_inner(), expelled).await.map(Response::new)
    }

    async fn keep_password(
        &self,
        request: Request<wire::KeepPasswordRequest>,
    ) -> Result<Response<wire::KeepPasswordResponse>, Status> {
        let shown = shown(&request)?;
        enrolment::check(&self.0.hub, &shown).await.map_err(status)?;
        let request = request.into_inner();
        let server: ServerId = request.server_id.parse().map_err(|e| Status::invalid_argument(format!("{e}")))?;
        let sources = self.0.hub.sources().ok_or_else(|| Status::unavailable("the controller is starting"))?;
        let kept = sources.guests.password_made(shown.host, server, request.password).await;
        kept.map(|()| Response::new(wire::KeepPasswordResponse {})).map_err(|error| match error {
            PasswordError::AlreadySet => Status::already_exists(error.to_string()),
            PasswordError::NotFound => Status::not_found(error.to_string()),
            PasswordError::TooLong => Status::invalid_argument(error.to_string()),
            PasswordError::Unavailable(error) => unavailable(&error),
        })
    }
}

/// Who calls with a certificate of ours; anyone else gets nothing.
fn shown<T>(request: &Request<T>) -> Result<Shown, Status> {
    let peer = request.extensions().get::<Peer>().and_then(|peer| peer.shown.clone());
    peer.ok_or_else(|| Status::unauthenticated("a member's certificate is required"))
}

fn status(error: EnrolError) -> Status {
    match error {
        EnrolError::Token(_) => Status::unauthenticated(error.to_string()),
        EnrolError::Hostname(_) => Status::invalid_argument(error.to_string()),
        EnrolError::NameTaken(_) => Status::already_exists(error.to_string()),
        EnrolError::Request(_) => Status::invalid_argument("certificate signing request is refused"),
        EnrolError::Refused(why) => session::refusal(&why),
        EnrolError::Unavailable(error) => unavailable(&error),
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error, "a host's call failed");
    Status::unavailable("try again")
}
