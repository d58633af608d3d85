//! Who has which image, as hosts say on their streams, and who is told to give it to whom.
//!
//! What a host says is forgotten with its stream; nothing is written down. The giver is asked before the taker is told, so that it knows
//! the taker when that one calls, and so that nobody is sent to a host that does not answer or is busy.

use crate::{Hub, session::SessionHandle};
use controller_base::id::HostId;
use controller_ports::fleet::AskError;
use futures::future;
use humilis_proto::federation::{self as wire, call::Question};
use std::{collections::HashSet, net::SocketAddr, time::Duration};

/// So many of those who have an image are asked to give it.
const ASKED: usize = 3;
/// How long they may take to say that they will.
const ANSWER: Duration = Duration::from_secs(2);
/// Images of one host; what is beyond that, nobody gets from there.
const MOST: usize = 10_000;

/// What a host can give.
#[derive(Debug, Default)]
pub(crate) struct Held {
    address: Option<SocketAddr>,
    images: HashSet<[u8; 32]>,
}

impl Held {
    /// What is malformed is not held.
    pub(crate) fn new(said: wire::HeldImages) -> Self {
        let images = said.sha256.into_iter().take(MOST).filter_map(|digest| digest.try_into().ok());
        Self { address: said.address.parse().ok(), images: images.collect() }
    }

    /// Where to get an image, if it is held.
    pub(crate) fn address_of(&self, image: &[u8; 32]) -> Option<SocketAddr> {
        self.address.filter(|_| self.images.contains(image))
    }
}

impl Hub {
    /// Hosts that have an image and will give it to `taker`.
    pub(crate) async fn find_image(&self, taker: HostId, image: [u8; 32]) -> Vec<wire::ImageHolder> {
        let mut known: Vec<_> = self.streams_where(|host, session| {
            session.address_of(&image).filter(|_| host != taker).map(|address| (host, address))
        });
        known.sort_unstable_by_key(|(host, _)| *host);
        // Others each time.
        let first = usize::try_from(self.number()).unwrap_or_default() % known.len().max(1);
        known.rotate_left(first);
        let asked = known.into_iter().take(ASKED).map(|(giver, address)| async move {
            let question = wire::ShareImage { sha256: hex::encode(image), host_id: taker.to_string() };
            let answer = tokio::time::timeout(ANSWER, self.ask(giver, Question::ShareImage(question))).await;
            match answer.unwrap_or(Err(AskError::TimedOut(giver))) {
                Ok(_) => Some(wire::ImageHolder { host_id: giver.to_string(), address: address.to_string() }),
                Err(error) => {
                    tracing::debug!(%giver, %taker, error = &error as &dyn std::error::Error, "an image is not shared");
                    None
                }
            }
        });
        future::join_all(asked).await.into_iter().flatten().collect()
    }
}

impl SessionHandle {
    fn address_of(&self, image: &[u8; 32]) -> Option<SocketAddr> {
        self.held().address_of(image)
    }
}
