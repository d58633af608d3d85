//! Images between hosts, over real connections with real certificates.

use crate::world::tell;
use async_trait::async_trait;
use hostd::{
    federation::{images::Images, peers::Giving},
    identity::{Identity, KeyRequest},
    sharing::Sharing,
};
use hostd_images::{Cache, Digest, Image, ImageSource, Pace, Parts, Peer};
use humilis_proto::federation::GuestState;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use sha2::Digest as _;
use std::{
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

const PIECE: u64 = 64 << 10;

/// A federation's authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn host(&self, id: &str) -> watch::Receiver<Identity> {
        let request = KeyRequest::new().unwrap();
        let csr = rustls_pki_types::CertificateSigningRequestDer::from(request.csr);
        let mut signed = CertificateSigningRequestParams::from_der(&csr).unwrap();
        signed.params.distinguished_name.push(DnType::CommonName, id);
        signed.params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = signed.signed_by(&self.issuer).unwrap().pem();
        let (host_id, ca) = (id.to_owned(), self.pem.clone());
        watch::channel(Identity { host_id, url: String::new(), key: request.key, certificate, ca }).1
    }
}

/// A controller that has an image, and names hosts; what they give comes over the wire.
struct Source {
    hosts: Images,
    named: Vec<Peer>,
    bytes: Vec<u8>,
    /// What the controller gave.
    given: AtomicU64,
}

#[async_trait]
impl ImageSource for Source {
    fn open(&self, image: &Image, from: Option<&Peer>, range: Range<u64>) -> Parts {
        if from.is_some() {
            return self.hosts.open(image, from, range);
        }
        self.given.fetch_add(range.end - range.start, Ordering::Relaxed);
        let (send, parts) = mpsc::channel(1);
        send.try_send(Ok(self.bytes[range.start as usize..range.end as usize].to_vec())).unwrap();
        parts
    }
    async fn peers(&self, _: &Image) -> Vec<Peer> {
        self.named.clone()
    }
}

/// A host that has the image, another that wants it.
struct Pair {
    authority: Authority,
    image: Image,
    bytes: Vec<u8>,
    sharing: Sharing,
    giver: SocketAddr,
    _given: tempfile::TempDir,
    taken: tempfile::TempDir,
}

impl Pair {
    async fn new() -> Self {
        Self::giving(|_| {}).await
    }

    /// A pair whose giver's copy is spoilt.
    async fn giving(spoil: impl Fn(&mut Vec<u8>)) -> Self {
        let authority = Authority::new();
        let bytes: Vec<u8> = (0..40 * PIECE).map(|at| (at / 7) as u8).collect();
        let digest: Digest = hex::encode(sha2::Sha256::digest(&bytes)).parse().unwrap();
        let image = Image { id: "image".into(), digest, size: bytes.len() as u64, qcow2: false };
        let (given, taken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut copy = bytes.clone();
        spoil(&mut copy);
        std::fs::write(given.path().join(format!("{digest}.original")), copy).unwrap();
        let nothing = Images::new(watch::channel(None).1, authority.host("giver"));
        let cache = Cache::new(given.path(), Arc::new(nothing), u64::MAX);
        let sharing = Sharing::new(1);
        let any = "127.0.0.1:0".parse().unwrap();
        let giving = Giving::start(Some(any), cache, sharing.clone(), authority.host("giver"));
        let giver = giving.address().wait_for(Option::is_some).await.unwrap().unwrap();
        Self { authority, image, bytes, sharing, giver, _given: given, taken }
    }

    fn grant(&self) {
        self.sharing.grant("taker", self.image.digest, Instant::now()).unwrap();
    }

    /// The taker's cache, which shows this certificate and was told of a host at this address.
    fn cache(&self, identity: watch::Receiver<Identity>, host: &str, address: SocketAddr) -> (Cache, Arc<Source>) {
        let hosts = Images::new(watch::channel(None).1, identity);
        let named = vec![Peer { host: host.into(), address: address.to_string() }];
        let source = Arc::new(Source { hosts, named, bytes: self.bytes.clone(), given: AtomicU64::new(0) });
        let (patience, ask_again) = (Duration::from_secs(2), Duration::from_secs(60));
        let pace = Pace { piece: PIECE, streams: 4, least_shared: 0, patience, ask_again };
        (Cache::paced(self.taken.path(), source.clone(), u64::MAX, pace), source)
    }

    /// Fetches the image; gives how much of it the controller gave.
    async fn fetch(&self, identity: watch::Receiver<Identity>, host: &str, address: SocketAddr) -> u64 {
        let (cache, source) = self.cache(identity, host, address);
        let fetched = tokio::time::timeout(Duration::from_secs(20), cache.get(&self.image)).await;
        let lease = fetched.expect("in time").unwrap();
        assert!(std::fs::read(lease.path()).unwrap() == self.bytes, "other bytes");
        source.given.load(Ordering::Relaxed)
    }
}

/// Passes so many bytes back, then does this to every connection.
#[derive(Clone, Copy)]
enum Then {
    Cut,
    FallSilent,
}

async fn proxy(to: SocketAddr, bytes: u64, then: Then) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let left = Arc::new(AtomicU64::new(bytes));
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(to).await.unwrap();
            tokio::spawn(pass(near, far, Arc::clone(&left), then));
        }
    });
    address
}

async fn pass(near: TcpStream, far: TcpStream, left: Arc<AtomicU64>, then: Then) {
    let (mut from, mut back) = near.into_split();
    let (mut far_in, mut to) = far.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = far_in.read(&mut buffer).await {
        let allowed = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(read as u64));
        if allowed.is_err() {
            break;
        }
        if back.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    if matches!(then, Then::FallSilent) {
        std::future::pending::<()>().await;
    }
    asking.abort();
}

#[tokio::test]
async fn a_host_gets_an_image_from_another_that_was_told_to_give_it() {
    let pair = Pair::new().await;
    pair.grant();
    assert_eq!(pair.fetch(pair.authority.host("taker"), "giver", pair.giver).await, 0);
}

#[tokio::test]
async fn a_host_that_lies_is_found_out_and_the_controller_gives_the_image() {
    let pair = Pair::giving(|copy| copy[(17 * PIECE) as usize] ^= 1).await;
    pair.grant();
    assert_eq!(pair.fetch(pair.authority.host("taker"), "giver", pair.giver).await, pair.image.size);
}

#[tokio::test]
async fn a_host_that_has_less_than_it_says_is_left() {
    let pair = Pair::giving(|copy| copy.truncate((20 * PIECE) as usize)).await;
    pair.grant();
    let given = pair.fetch(pair.authority.host("taker"), "giver", pair.giver).await;
    assert!((20 * PIECE..=24 * PIECE).contains(&given), "{given}");
}

#[tokio::test]
async fn of_a_host_that_dies_or_is_cut_off_what_it_gave_is_kept() {
    for then in [Then::Cut, Then::FallSilent] {
        let pair = Pair::new().await;
        pair.grant();
        let address = proxy(pair.giver, pair.image.size / 2, then).await;
        let given = pair.fetch(pair.authority.host("taker"), "giver", address).await;
        assert!(given > pair.image.size / 4 && given < pair.image.size * 3 / 4, "{given} of {}", pair.image.size);
    }
    let pair = Pair::new().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(pair.fetch(pair.authority.host("taker"), "giver", nobody).await, pair.image.size);
}

#[tokio::test]
async fn who_is_not_who_was_named_gives_nothing_and_gets_nothing() {
    let pair = Pair::new().await;
    pair.grant();
    let whole = pair.image.size;
    let (member, other) = (pair.authority.host("taker"), pair.authority.host("other"));
    assert_eq!(pair.fetch(member.clone(), "another", pair.giver).await, whole, "another host answers");
    let get = |identity, host| {
        let pair = &pair;
        async move {
            std::fs::remove_file(pair.taken.path().join(pair.image.digest.to_string())).unwrap();
            std::fs::remove_file(pair.taken.path().join(format!("{}.original", pair.image.digest))).unwrap();
            pair.fetch(identity, host, pair.giver).await
        }
    };
    assert_eq!(get(other, "giver").await, whole, "it was not named to the giver");
    let stranger = Authority::new().host("taker");
    let known = Identity { ca: pair.authority.pem.clone(), ..stranger.borrow().clone() };
    assert_eq!(get(watch::channel(known).1, "giver").await, whole, "it is of another federation");
    assert_eq!(get(member, "giver").await, 0);
}

#[tokio::test]
async fn a_fetch_that_was_given_up_goes_on_with_what_is_there() {
    let pair = Pair::new().await;
    pair.grant();
    let address = proxy(pair.giver, pair.image.size / 2, Then::FallSilent).await;
    let (cache, _) = pair.cache(pair.authority.host("taker"), "giver", address);
    let given_up = tokio::time::timeout(Duration::from_millis(1500), cache.get(&pair.image)).await;
    assert!(given_up.is_err(), "it waits for the silent host");
    drop(cache);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let given = pair.fetch(pair.authority.host("taker"), "giver", nobody).await;
    assert!(given > pair.image.size / 4 && given < pair.image.size * 3 / 4, "{given} of {}", pair.image.size);
}

#[test]
fn hostd_may_die_in_the_middle_of_an_image_and_goes_on_with_what_is_there() {
    tell(|world| async move {
        let (controller, id) = (world.controller.clone(), world.id.as_str());
        let mut hostd = world.hostd_with_fault("image.part@3");
        let mut object = world.guest(id);
        let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut object.object else { unreachable!() };
        // Six pieces, the last one short; the kernel's and the first disk's are one each.
        let disk = controller.image("large", (0..41 << 20).map(|at| (at >> 10) as u8).collect());
        guest.root_disk.as_mut().unwrap().image = Some(disk);
        guest.root_disk.as_mut().unwrap().size_bytes = 64 << 20;
        controller.want(vec![object]);
        assert!(hostd.wait(Duration::from_secs(20)).is_some(), "it does not come so far");
        let begun = controller.fetched("large");
        assert!(begun.len() >= 2, "several at a time: {begun:?}");
        let _hostd = world.hostd();
        controller.state(id, GuestState::Running).await;
        let again = controller.fetched("large");
        assert!(again.len() < 6 && again.iter().all(|offset| offset % (8 << 20) == 0), "{begun:?}, then {again:?}");
        controller.unwant(&[id]);
        controller.gone(id).await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}
