//! The log of events, as a list and as a stream.

use super::{Admin, convert, unavailable};
use controller_identity::{Event, EventQuery, FollowError, Follower};
use futures::{StreamExt as _, stream::BoxStream};
use humilis_proto::admin as wire;
use tonic::{Request, Response, Status};

/// The longest list, and the usual one.
const LIMITS: (u32, u32) = (5000, 100);

#[tonic::async_trait]
impl wire::events_server::Events for Admin {
    type FollowEventsStream = BoxStream<'static, Result<wire::Event, Status>>;

    async fn list_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsResponse>, Status> {
        let request = request.into_inner();
        let now = self.cloud.platform.clock.now();
        let last = i64::from(request.last_seconds);
        let query = EventQuery {
            since: (last > 0).then(|| now.plus_seconds(-last)),
            limit: if request.limit == 0 { LIMITS.1 } else { request.limit.min(LIMITS.0) },
            ..convert::filter(request.filter)?
        };
        let events = self.cloud.identity.list_events(&query).await.map_err(unavailable)?;
        let events = events.into_iter().map(convert::event).collect();
        Ok(Response::new(wire::ListEventsResponse { events }))
    }

    async fn follow_events(
        &self,
        request: Request<wire::FollowEventsRequest>,
    ) -> Result<Response<Self::FollowEventsStream>, Status> {
        let request = request.into_inner();
        let after = Some(request.after_id).filter(|id| !id.is_empty());
        let follower = self.cloud.identity.follow_events(convert::filter(request.filter)?, after.as_deref());
        let follower = follower.await.map_err(ended)?;
        let events = pages(follower).flat_map(|page| {
            let page = page.map_or_else(
                |error| vec![Err(ended(error))],
                |events| events.into_iter().map(|event| Ok(convert::event(event))).collect(),
            );
            futures::stream::iter(page)
        });
        let stop = self.stop.clone();
        Ok(Response::new(events.take_until(stop.cancelled_owned()).boxed()))
    }
}

/// Read only as they are taken; the first error is the end.
fn pages(follower: Follower) -> impl futures::Stream<Item = Result<Vec<Event>, FollowError>> + Send {
    futures::stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        let page = follower.next().await;
        let next = page.is_ok().then_some(follower);
        Some((page, next))
    })
}

fn ended(error: FollowError) -> Status {
    match error {
        FollowError::Unknown(_) => Status::out_of_range(error.to_string()),
        FollowError::FellBehind => Status::data_loss(error.to_string()),
        FollowError::Identity(error) => unavailable(error),
    }
}
