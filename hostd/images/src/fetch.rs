//! One image's way to this host: in pieces, several at a time, from other hosts that have it, else from the controller.
//!
//! A host that breaks off, dawdles or may not give any more is left for the others, then for the controller. Who gave wrong bytes is not
//! known before all are there: then what came from hosts is thrown away, and fetched from the controller alone.

use crate::{
    Image, ImageSource, Peer, SourceError,
    part::{self, Origin, Part},
};
use hostd_kit::fault::{self, Point};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};
use tokio::task::{JoinHandle, JoinSet};

/// How often pieces of which nothing new came are asked for again.
const ATTEMPTS: u32 = 40;
/// Waits between attempts grow up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How an image is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes of a piece: what is lost at most when hostd ends, for each that is on its way.
    pub piece: u64,
    /// Pieces on their way at a time.
    pub streams: usize,
    /// Smaller images come from the controller: finding out who else has them takes longer.
    pub least_shared: u64,
    /// How long another host may take for a piece.
    pub patience: Duration,
    /// Before it is asked again who has the image.
    pub ask_again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let (patience, ask_again) = (Duration::from_secs(20), Duration::from_secs(10));
        Self { piece: 8 << 20, streams: 4, least_shared: 16 << 20, patience, ask_again }
    }
}

/// Why an image is not in the cache.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// The disk is full.
    #[error("no space left for image {id} ({size} bytes)")]
    NoSpace {
        /// The image.
        id: String,
        /// Its size.
        size: u64,
    },
    /// The bytes are not those that the controller named.
    #[error("image {id} does not have the expected {what}")]
    Corrupt {
        /// The image.
        id: String,
        /// What differs.
        what: &'static str,
    },
    /// The source gave up.
    #[error("image {id} cannot be fetched")]
    Source {
        /// The image.
        id: String,
        /// Why.
        #[source]
        source: Arc<SourceError>,
    },
    /// The cache's files cannot be used.
    #[error("image {id} cannot be stored")]
    Store {
        /// The image.
        id: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

impl ImageError {
    pub(crate) fn io(image: &Image, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { id: image.id.clone(), size: image.size }
            }
            _ => Self::Store { id: image.id.clone(), source: Arc::new(source) },
        }
    }

    fn corrupt(image: &Image, what: &'static str) -> Self {
        Self::Corrupt { id: image.id.clone(), what }
    }
}

/// Fetches `image` to `path`, whose file then has the image's bytes and no others. What was fetched stays when the sources fail, and goes
/// when it is wrong or the disk is full.
pub async fn fetch(
    source: &Arc<dyn ImageSource>,
    image: &Image,
    path: &Path,
    pace: Pace,
    received: &Received,
) -> Result<(), ImageError> {
    let outcome = match Fetch::begin(source, image, path, pace).await {
        Ok(fetch) => fetch.run(received).await,
        Err(error) => Err(error),
    };
    if matches!(outcome, Err(ImageError::NoSpace { .. } | ImageError::Corrupt { .. })) {
        // It is found again, and begun anew, if it cannot be removed.
        let _ = fs::remove_file(path);
    }
    outcome
}

/// Bytes that came, from whom.
#[derive(Debug, Default)]
pub struct Received {
    controller: AtomicU64,
    hosts: AtomicU64,
}

impl Received {
    /// From the controller, and from other hosts.
    pub fn both(&self) -> (u64, u64) {
        (self.controller.load(Ordering::Relaxed), self.hosts.load(Ordering::Relaxed))
    }

    fn count(&self, from: Option<&Peer>, bytes: u64) {
        from.map_or(&self.controller, |_| &self.hosts).fetch_add(bytes, Ordering::Relaxed);
    }
}

struct Fetch {
    source: Arc<dyn ImageSource>,
    image: Image,
    pace: Pace,
    part: Part,
    /// Whom to ask, in turn; none: the controller.
    peers: Vec<Peer>,
    turn: usize,
    /// When it was last asked who has the image.
    asked: Option<Instant>,
    /// Hosts that are not asked again.
    left: BTreeSet<String>,
    /// Hosts that gave something.
    givers: BTreeSet<String>,
    /// The controller is the only one to be believed.
    alone: bool,
    /// How far pieces came that are not whole, and whether a host has given of them.
    begun: HashMap<usize, (u64, bool)>,
    fruitless: u32,
}

/// A piece whose transfer ended.
struct Landed {
    number: usize,
    from: Option<Peer>,
    /// Bytes of the piece that are there.
    done: u64,
    ended: Result<(), PieceError>,
}

enum PieceError {
    Source(SourceError),
    Store(io::Error),
}

impl Fetch {
    async fn begin(source: &Arc<dyn ImageSource>, image: &Image, path: &Path, pace: Pace) -> Result<Self, ImageError> {
        let (path, size) = (path.to_owned(), image.size);
        let opened = blocking(move || Part::open(&path, size, pace.piece)).await;
        let part = opened.map_err(|error| ImageError::io(image, error))?;
        let (peers, begun, left, givers) = (Vec::new(), HashMap::new(), BTreeSet::new(), BTreeSet::new());
        let (source, image) = (Arc::clone(source), image.clone());
        let (turn, asked, alone, fruitless) = (0, None, false, 0);
        Ok(Self { source, image, pace, part, peers, turn, asked, left, givers, alone, begun, fruitless })
    }

    async fn run(mut self, received: &Received) -> Result<(), ImageError> {
        while self.pieces(received).await? != self.image.digest.0 {
            self.doubt()?;
        }
        tracing::info!(image = %self.image.digest, bytes = self.image.size, hosts = ?self.givers, "an image was fetched");
        fault::reach(Point::ImageFetched);
        let (part, image) = (self.part, self.image);
        blocking(move || part.finish()).await.map_err(|error| ImageError::io(&image, error))
    }

    /// Fetches all that is missing; gives the digest of the whole.
    async fn pieces(&mut self, received: &Received) -> Result<[u8; 32], ImageError> {
        let (ends, hashing) = self.hash();
        let mut missing: VecDeque<usize> = self.part.missing().collect();
        let mut flying = JoinSet::new();
        loop {
            // The hashing ends early only if it cannot read: it says so in the end.
            let _ = ends.send(self.part.prefix());
            while flying.len() < self.pace.streams
                && let Some(number) = missing.pop_front()
            {
                let from = self.choose().await;
                let range = self.part.range(number);
                let (done, _) = self.begun_of(number);
                let piece = Piece { number, done, from, patience: self.pace.patience };
                flying.spawn(piece.fetch(Arc::clone(&self.source), self.image.clone(), self.part.file(), range));
            }
            let Some(landed) = flying.join_next().await else { break };
            let landed = landed.map_err(|error| ImageError::io(&self.image, io::Error::other(error)))?;
            received.count(landed.from.as_ref(), landed.done.saturating_sub(self.begun_of(landed.number).0));
            if let Some(number) = self.land(landed).await? {
                missing.push_front(number);
            }
        }
        drop(ends);
        let hashed = hashing.await.map_err(io::Error::other).flatten();
        hashed.map_err(|error| ImageError::io(&self.image, error))
    }

    fn begun_of(&self, number: usize) -> (u64, bool) {
        self.begun.get(&number).copied().unwrap_or_default()
    }

    /// Follows the pieces from the beginning on as they come.
    fn hash(&self) -> (mpsc::Sender<u64>, JoinHandle<io::Result<[u8; 32]>>) {
        let (ends, follow) = mpsc::channel();
        let file = self.part.file();
        (ends, tokio::task::spawn_blocking(move || hash(&file, &follow)))
    }

    /// Whom to ask for the next piece; `None`: the controller.
    async fn choose(&mut self) -> Option<Peer> {
        if self.alone || self.image.size < self.pace.least_shared {
            return None;
        }
        if self.peers.is_empty() && self.asked.is_none_or(|asked| asked.elapsed() >= self.pace.ask_again) {
            self.peers = self.source.peers(&self.image).await;
            self.peers.retain(|peer| !self.left.contains(&peer.host));
            self.asked = Some(Instant::now());
        }
        self.turn += 1;
        self.peers.get(self.turn % self.peers.len().max(1)).cloned()
    }

    /// Notes what came of a piece; gives its number if it has to be asked for again.
    async fn land(&mut self, landed: Landed) -> Result<Option<usize>, ImageError> {
        let Landed { number, from, done, ended } = landed;
        let (before, shared) = self.begun.remove(&number).unwrap_or_default();
        let shared = shared || from.is_some();
        if let Some(peer) = &from
            && done > before
        {
            self.givers.insert(peer.host.clone());
        }
        let error = match ended {
            Ok(()) => {
                let origin = if shared { Origin::Host } else { Origin::Controller };
                self.fruitless = 0;
                self.part.mark(number, origin).map_err(|error| ImageError::io(&self.image, error))?;
                fault::reach(Point::ImagePart);
                return Ok(None);
            }
            Err(PieceError::Store(error)) => return Err(ImageError::io(&self.image, error)),
            Err(PieceError::Source(error)) => error,
        };
        self.begun.insert(number, (done, shared));
        match from {
            Some(peer) => self.leave(&peer, &error),
            None => {
                self.fruitless = if done > before { 0 } else { self.fruitless + 1 };
                if self.fruitless >= ATTEMPTS || matches!(error, SourceError::NotFound) {
                    return Err(ImageError::Source { id: self.image.id.clone(), source: Arc::new(error) });
                }
                let wait = Duration::from_millis(50 << (self.fruitless / 2).min(7));
                tokio::time::sleep(LONGEST_WAIT.min(wait)).await;
            }
        }
        Ok(Some(number))
    }

    /// A host that failed is not asked again; one that may not give any more may be told to again.
    fn leave(&mut self, peer: &Peer, error: &SourceError) {
        self.peers.retain(|other| other.host != peer.host);
        if !matches!(error, SourceError::Denied) && self.left.insert(peer.host.clone()) {
            let (host, error) = (&peer.host, error as &dyn std::error::Error);
            tracing::warn!(image = %self.image.digest, host, error, "a host does not give an image to its end");
        }
    }

    /// All is there, and it is not the image: throws away what others than the controller gave in this fetch.
    fn doubt(&mut self) -> Result<(), ImageError> {
        let whose = if self.part.has(Origin::Host) {
            tracing::error!(image = %self.image.digest, hosts = ?self.givers, "a host gave bytes that are not the image's");
            Some(Origin::Host)
        } else if self.part.has(Origin::Earlier) {
            tracing::warn!(image = %self.image.digest, "what was there of an image is damaged");
            None
        } else {
            return Err(ImageError::corrupt(&self.image, "digest"));
        };
        self.alone = true;
        self.part.forget(whose).map_err(|error| ImageError::io(&self.image, error))
    }
}

/// A piece that is asked for.
struct Piece {
    number: usize,
    done: u64,
    from: Option<Peer>,
    patience: Duration,
}

impl Piece {
    async fn fetch(mut self, source: Arc<dyn ImageSource>, image: Image, file: Arc<File>, range: Range<u64>) -> Landed {
        let patience = self.patience;
        let ended = if self.from.is_some() {
            let late = || Err(PieceError::Source(SourceError::Interrupted("it took too long".into())));
            let received = self.receive(&*source, &image, file, range);
            tokio::time::timeout(patience, received).await.unwrap_or_else(|_| late())
        } else {
            self.receive(&*source, &image, file, range).await
        };
        Landed { number: self.number, from: self.from, done: self.done, ended }
    }

    async fn receive(
        &mut self,
        source: &dyn ImageSource,
        image: &Image,
        file: Arc<File>,
        range: Range<u64>,
    ) -> Result<(), PieceError> {
        let rest = range.start + self.done..range.end;
        let mut at = rest.start;
        let mut parts = source.open(image, self.from.as_ref(), rest);
        while at < range.end {
            let early = || SourceError::Interrupted("it ended early".into());
            let mut bytes = parts.recv().await.ok_or_else(early).flatten().map_err(PieceError::Source)?;
            // Who does not know lengths sends all there is.
            bytes.truncate(usize::try_from(range.end - at).unwrap_or(usize::MAX));
            let (to, length) = (Arc::clone(&file), bytes.len() as u64);
            blocking(move || part::write(&to, at, &bytes)).await.map_err(PieceError::Store)?;
            at += length;
            self.done += length;
        }
        Ok(())
    }
}

fn hash(file: &File, ends: &mpsc::Receiver<u64>) -> io::Result<[u8; 32]> {
    let (mut hash, mut at, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    for end in ends {
        while at < end {
            let some = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact_at(&mut buffer[..some], at)?;
            hash.update(&buffer[..some]);
            at += some as u64;
        }
    }
    Ok(hash.finalize().into())
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(io::Error::other(error)),
    }
}
