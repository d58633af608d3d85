//! One host's stream: compares what the host was sent with what it shall have, and takes in what it reports.
//!
//! ```text
//! Hello --> complete Desired --> { touched or minute over --> Desired with the differences
//!                                  Observed --> GuestObserver ; Result --> whoever asked }
//! ```
//! The two directions run as two tasks, so that a slow observation never delays desired state.

mod compare;
mod down;
mod up;

use crate::{holders::Held, host::Refused};
use controller_base::{
    id::{HostId, RequestId},
    request,
};
use controller_ports::fleet::ObjectKey;
use humilis_proto::federation as wire;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use up::{open, refusal};

/// From 0 to 1, another for each host: what all do is not done by all at once.
pub(crate) fn share(host: HostId) -> f64 {
    let [share, ..] = *host.uuid().as_bytes();
    f64::from(share) / 256.0
}

/// What a question is answered with: bytes, or the host's reason.
pub(crate) type Answer = Result<Vec<u8>, String>;

/// A stream, as the hub sees it.
#[derive(Clone)]
pub(crate) struct SessionHandle {
    pub(crate) number: u64,
    /// The host's process, and where it is.
    pub(crate) peer: SessionPeer,
    touched: Arc<Touched>,
    update: Arc<Notify>,
    held: Arc<Mutex<Held>>,
    questions: mpsc::Sender<wire::Call>,
    open: Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>,
    end: CancellationToken,
    farewell: Arc<OnceLock<Refused>>,
}

/// Who is at the other end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPeer {
    /// The process; empty: it does not say.
    pub(crate) instance: String,
    pub(crate) address: String,
}

/// Keys that may have changed since they were last compared, and on whose behalf.
type Keys = BTreeMap<ObjectKey, Option<RequestId>>;

/// What is still to be compared.
#[derive(Default)]
struct Touched {
    keys: Mutex<Keys>,
    some: Notify,
}

impl Touched {
    fn take(&self) -> Keys {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SessionHandle {
    fn new(number: u64, peer: SessionPeer) -> (Self, mpsc::Receiver<wire::Call>) {
        let (questions, asked) = mpsc::channel(64);
        let (touched, update, open, farewell) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let (held, end) = (Arc::default(), CancellationToken::new());
        (Self { number, peer, touched, update, held, questions, open, end, farewell }, asked)
    }

    /// Remembers that this object may have changed, on behalf of the request at hand.
    pub(crate) fn touch(&self, key: ObjectKey) {
        self.touch_for(key, request::current());
    }

    fn touch_for(&self, key: ObjectKey, asked: Option<RequestId>) {
        let mut keys = self.touched.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.entry(key).or_default();
        *known = asked.or(known.take());
        drop(keys);
        self.touched.some.notify_one();
    }

    /// Remembers that the host's update may have changed.
    pub(crate) fn poke(&self) {
        self.update.notify_one();
    }

    /// The images that the host can give to others.
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a question; `answer` is dropped when the stream ends.
    pub(crate) async fn ask(&self, call: wire::Call, answer: oneshot::Sender<Answer>) -> Result<(), ()> {
        self.await_answer(call.call, answer);
        self.questions.send(call).await.map_err(|_| ())
    }

    fn await_answer(&self, call: u64, answer: oneshot::Sender<Answer>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, waiting| !waiting.is_closed());
        open.insert(call, answer);
    }

    fn answered(&self, result: wire::Result) {
        use wire::result::Outcome;
        let waiting = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&result.call);
        let answer = match result.outcome {
            Some(Outcome::Data(data)) => Ok(data),
            Some(Outcome::Error(reason)) => Err(reason),
            None => Err("empty answer".to_owned()),
        };
        if let Some(waiting) = waiting {
            // Who asked may have gone; then nobody needs the answer.
            drop(waiting.send(answer));
        }
    }

    /// Ends the stream for a reason that the host is told.
    pub(crate) fn dismiss(&self, why: &Refused) {
        // The first reason counts.
        let _ = self.farewell.set(why.clone());
        self.end();
    }

    /// Ends the stream.
    pub(crate) fn end(&self) {
        self.end.cancel();
    }
}
