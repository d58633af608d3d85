//! A controller's fleet on a port of its own, and machines that talk to it.

use async_trait::async_trait;
use bytes::Bytes;
use controller_base::{
    Clock,
    id::{HostId, ImageId, ProjectId, ServerId},
};
use controller_db::testing::{TestDb, databases, sqlite};
use controller_fleet::{
    Authority, Hub, Sources, join,
    update::{Depot, Limits},
};
use controller_ports::{
    Unavailable,
    fleet::{
        Desired, DesiredState, Fleet as _, GuestObserver, Host, HostObserver, ObjectKey, ObservedGuest, PasswordError,
    },
    image::{Content, Image, Images},
};
use futures::{StreamExt as _, stream::BoxStream};
use humilis_proto::federation::{
    self as wire, call::Question, controller_message::Message as Down, enrolment_client::EnrolmentClient,
    federation_client::FederationClient, host_message::Message as Up,
};
use humilis_recorded::through;
use humilis_update::SigningKey;
use prost::Message as _;
use rcgen::{CertificateParams, KeyPair};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// The digest of every image.
pub const DIGEST: [u8; 32] = [0xab; 32];

/// A fleet that serves.
pub struct World {
    pub hub: Arc<Hub>,
    pub authority: Arc<Authority>,
    pub clock: Clock,
    pub observer: Arc<Observer>,
    db: TestDb,
    port: u16,
    stop: CancellationToken,
    directory: tempfile::TempDir,
}

/// What services are told of hosts.
#[derive(Default)]
pub struct Observer {
    pub heard: Mutex<Vec<String>>,
    /// Why no host can be forgotten.
    pub needs: Mutex<Option<String>>,
}

#[async_trait]
impl HostObserver for Observer {
    async fn host_changed(&self, host: &Host) -> Result<(), Unavailable> {
        self.heard.lock().unwrap().push(format!("{} {}", host.hostname, host.state().word()));
        Ok(())
    }
    async fn forget_host(&self, _: HostId) -> Result<Option<String>, Unavailable> {
        Ok(self.needs.lock().unwrap().clone())
    }
}

struct Nothing;

#[async_trait]
impl DesiredState for Nothing {
    fn owns(&self, _: &ObjectKey) -> bool {
        false
    }
    async fn list(&self, _: HostId) -> Result<Vec<Desired>, Unavailable> {
        Ok(Vec::new())
    }
    async fn get(&self, _: HostId, _: ObjectKey) -> Result<Option<Desired>, Unavailable> {
        Ok(None)
    }
}

#[async_trait]
impl GuestObserver for Nothing {
    async fn observed(&self, _: HostId, _: bool, _: Vec<ObservedGuest>) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn password_made(&self, _: HostId, _: ServerId, _: String) -> Result<(), PasswordError> {
        Err(PasswordError::NotFound)
    }
}

#[async_trait]
impl Images for Nothing {
    async fn get(&self, id: ImageId, _: Option<&ProjectId>) -> Result<Option<Image>, Unavailable> {
        Ok(Some(Image {
            id,
            name: String::new(),
            owner: None,
            active: true,
            status: "active".to_owned(),
            disk_format: "raw".to_owned(),
            size_bytes: 5,
            virtual_size_bytes: 5,
            min_disk_gib: 0,
            min_ram_mib: 0,
            content: Some(Content { sha256: hex::encode(DIGEST), size_bytes: 5 }),
            properties: BTreeMap::new(),
        }))
    }
    async fn open(
        &self,
        _: ImageId,
        _: std::ops::Range<u64>,
    ) -> Result<Option<BoxStream<'static, std::io::Result<Bytes>>>, Unavailable> {
        // An image without end.
        let chunks = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok(Bytes::from_static(b"bytes")), ()))
        });
        Ok(Some(Box::pin(chunks)))
    }
}

/// A machine with an identity.
#[derive(Clone)]
pub struct Machine {
    pub id: HostId,
    pub hostname: String,
    pub key: String,
    pub certificate: String,
    pub ca: String,
    /// Its process.
    pub instance: String,
    pub machine: String,
    /// The version that it runs.
    pub appliance: String,
    /// How far its clock is ahead, microseconds; none: it is too old to tell.
    pub clock: Option<i64>,
    /// It knows the recorded revision of the protocol alone.
    pub older: bool,
    pub pending: bool,
}

/// A stream that answers pings by itself.
pub struct Stream {
    down: mpsc::UnboundedReceiver<Result<Down, Status>>,
    up: mpsc::Sender<wire::HostMessage>,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    pub async fn new(certificate_seconds: i64) -> Self {
        Self::over(sqlite().await, certificate_seconds).await
    }

    /// One over each kind of database.
    pub async fn all(certificate_seconds: i64) -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in databases().await {
            worlds.push(Self::over(db, certificate_seconds).await);
        }
        worlds
    }

    async fn over(db: TestDb, certificate_seconds: i64) -> Self {
        let (clock, directory) = (Clock::system(), tempfile::tempdir().unwrap());
        let hub = Hub::open((*db).clone(), clock.clone(), certificate_seconds).await.unwrap();
        let observer = Arc::new(Observer::default());
        hub.wire(Sources {
            desired: vec![Arc::new(Nothing)],
            guests: Arc::new(Nothing),
            hosts: vec![observer.clone()],
            images: Arc::new(Nothing),
            updates: Arc::new(depot(directory.path())),
        });
        let authority = Arc::new(Authority::open(directory.path(), clock.now()).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, stop) = (listener.local_addr().unwrap().port(), CancellationToken::new());
        let (own_hub, own_authority, own_stop) = (hub.clone(), authority.clone(), stop.clone());
        tokio::spawn(async move {
            controller_fleet::serve(own_hub, own_authority, listener, &["localhost".to_owned()], own_stop)
                .await
                .unwrap();
        });
        Self { hub, authority, clock, observer, db, port, stop, directory }
    }

    pub async fn token(&self, wanted: join::Wanted) -> String {
        join::create(&self.db, &self.clock, wanted).await.unwrap().0.reveal().to_owned()
    }

    pub async fn revoke(&self, token: &str) {
        join::revoke(&self.db, &self.clock, token).await.unwrap().unwrap();
    }

    /// A machine of this name that joins with a fresh token.
    pub async fn machine(&self, hostname: &str) -> Machine {
        let token = self.token(join::Wanted::default()).await;
        self.join(&token, hostname).await.unwrap()
    }

    pub async fn join(&self, token: &str, hostname: &str) -> Result<Machine, Status> {
        let (key, csr) = request();
        let channel = self.channel(&self.authority.pem(), None).await?;
        let ask = wire::EnrolRequest { token: token.to_owned(), csr, hostname: hostname.to_owned() };
        let answer = EnrolmentClient::new(channel).enrol(ask).await?.into_inner();
        Ok(Machine {
            id: answer.host_id.parse().unwrap(),
            hostname: hostname.to_owned(),
            key,
            certificate: answer.certificate,
            ca: answer.ca,
            instance: format!("{hostname}-1"),
            machine: String::new(),
            appliance: String::new(),
            clock: Some(0),
            older: false,
            pending: answer.awaiting_approval,
        })
    }

    async fn channel(&self, ca: &str, identity: Option<Identity>) -> Result<Channel, Status> {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name("localhost");
        let tls = identity.map_or_else(|| tls.clone(), |identity| tls.clone().identity(identity));
        let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{}", self.port)).unwrap();
        let connected = endpoint.tls_config(tls).unwrap().connect().await;
        connected.map_err(|error| Status::unavailable(format!("{error:?}")))
    }

    async fn member(&self, machine: &Machine) -> Result<FederationClient<Channel>, Status> {
        let identity = Identity::from_pem(&machine.certificate, &machine.key);
        Ok(FederationClient::new(self.channel(&machine.ca, Some(identity)).await?))
    }

    /// A stream, once the controller has sent what shall be.
    pub async fn connect(&self, machine: &Machine) -> Result<Stream, Status> {
        let mut stream = self.stream(machine, true).await?;
        match stream.next().await? {
            Down::Desired(desired) => assert!(desired.complete),
            other => panic!("{other:?} before what shall be"),
        }
        Ok(stream)
    }

    /// The same of a machine that does not answer pings.
    pub async fn connect_mute(&self, machine: &Machine) -> Stream {
        let mut stream = self.stream(machine, false).await.unwrap();
        stream.next().await.unwrap();
        stream
    }

    async fn stream(&self, machine: &Machine, answers: bool) -> Result<Stream, Status> {
        let mut client = self.member(machine).await?;
        let (up, messages) = mpsc::channel(16);
        let hello = wire::Hello {
            hostname: machine.hostname.clone(),
            instance: machine.instance.clone(),
            machine: machine.machine.clone(),
            appliance_version: machine.appliance.clone(),
            numa_nodes: [(2, "; DROP"), (1, "0-3,8"), (1, "9")]
                .map(|(number, cpus)| wire::NumaNode { number, cpus: cpus.into(), memory_mib: 5 })
                .into(),
            ..wire::Hello::default()
        };
        up.send(wire::HostMessage { message: Some(Up::Hello(hello)) }).await.unwrap();
        let older = machine.older;
        let messages = ReceiverStream::new(messages).map(move |message| {
            if older { through::<humilis_recorded::federation::HostMessage, _>(&message) } else { message }
        });
        let mut inbox = client.session(messages).await?.into_inner();
        let (news, down) = mpsc::unbounded_channel();
        let (answering, clock, ahead) = (up.clone(), self.clock.clone(), machine.clock);
        let task = tokio::spawn(async move {
            loop {
                let message = match inbox.message().await {
                    Ok(Some(message)) if older => {
                        let known = through::<humilis_recorded::federation::ControllerMessage, _>(&message);
                        let Some(message) = known.message else { continue };
                        Ok(message)
                    }
                    Ok(Some(message)) => Ok(message.message.unwrap()),
                    Ok(None) => return,
                    Err(status) => Err(status),
                };
                let outcome = match &message {
                    Ok(Down::Call(wire::Call { question: Some(Question::Ping(_)), .. })) => {
                        let pong = ahead.map(|ahead| wire::Pong { clock: clock.now().0 + ahead }.encode_to_vec());
                        wire::result::Outcome::Data(pong.unwrap_or_default())
                    }
                    Ok(Down::Call(wire::Call { question: None, .. })) => {
                        wire::result::Outcome::Error("the question is unknown".to_owned())
                    }
                    _ if news.send(message.clone()).is_err() => return,
                    _ => continue,
                };
                if let (true, Ok(Down::Call(wire::Call { call, .. }))) = (answers, message) {
                    let result = Up::Result(wire::Result { call, outcome: Some(outcome) });
                    drop(answering.send(wire::HostMessage { message: Some(result) }).await);
                }
            }
        });
        Ok(Stream { down, up, task })
    }

    pub async fn renew(&self, machine: &Machine) -> Result<Machine, Status> {
        let (key, csr) = request();
        let answer = self.member(machine).await?.renew(wire::RenewRequest { csr }).await?.into_inner();
        Ok(Machine { key, certificate: answer.certificate, ca: answer.ca, ..machine.clone() })
    }

    /// A download that does not end by itself.
    pub async fn fetch(&self, machine: &Machine) -> Result<tonic::Streaming<wire::ImageChunk>, Status> {
        let request = wire::FetchImageRequest { image_id: ImageId::random().to_string(), offset: 0, length: 0 };
        Ok(self.member(machine).await?.fetch_image(request).await?.into_inner())
    }

    /// Who else has an image of this digest.
    pub async fn find_image(&self, machine: &Machine, digest: [u8; 32]) -> Result<Vec<wire::ImageHolder>, Status> {
        let request = wire::FindImageRequest { image_id: ImageId::random().to_string(), sha256: hex::encode(digest) };
        Ok(self.member(machine).await?.find_image(request).await?.into_inner().holders)
    }

    /// A bundle's bytes from an offset on.
    pub async fn fetch_update(&self, machine: &Machine, version: &str, offset: u64) -> Result<Vec<u8>, Status> {
        let request = wire::FetchUpdateRequest { version: version.to_owned(), offset };
        let mut chunks = self.member(machine).await?.fetch_update(request).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            bytes.extend(chunk.data);
        }
        Ok(bytes)
    }

    pub async fn host(&self, machine: &Machine) -> Host {
        self.hub.host(machine.id).await.unwrap().unwrap()
    }

    /// Waits until a host's state is this.
    pub async fn becomes(&self, machine: &Machine, word: &str) {
        for _ in 0..500 {
            if self.host(machine).await.state().word() == word {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} is {}, not {word}", machine.hostname, self.host(machine).await.state().word());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream {
    /// The next message, or why there is none.
    pub async fn next(&mut self) -> Result<Down, Status> {
        let message = tokio::time::timeout(Duration::from_secs(20), self.down.recv()).await.expect("a message in time");
        message.unwrap_or_else(|| Err(Status::cancelled("the stream ended without a word")))
    }

    /// The machine says how far its update is.
    pub async fn reports(&self, version: &str, state: wire::UpdateState, reason: &str) {
        let progress =
            wire::UpdateProgress { version: version.to_owned(), state: state.into(), reason: reason.to_owned() };
        self.up.send(wire::HostMessage { message: Some(Up::Update(progress)) }).await.unwrap();
    }

    /// The machine says which images it has to give.
    pub async fn holds(&self, address: &str, images: &[[u8; 32]]) {
        let sha256 = images.iter().map(|image| image.to_vec()).collect();
        let held = Up::Images(wire::HeldImages { address: address.to_owned(), sha256 });
        self.up.send(wire::HostMessage { message: Some(held) }).await.unwrap();
    }

    /// Waits until the machine is told to give an image; answers, and says to whom.
    pub async fn shares(&mut self, outcome: wire::result::Outcome) -> wire::ShareImage {
        let Down::Call(wire::Call { call, question: Some(Question::ShareImage(share)) }) = self.next().await.unwrap()
        else {
            panic!("another message");
        };
        let result = Up::Result(wire::Result { call, outcome: Some(outcome) });
        self.up.send(wire::HostMessage { message: Some(result) }).await.unwrap();
        share
    }

    /// Why it ends; what comes before is nothing to us.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}

/// Updates, signed by whoever [`bundle`] makes up.
fn depot(folder: &Path) -> Depot {
    Depot::open(folder.join("updates"), vec![folder.join("keys")], Limits::default()).unwrap()
}

impl World {
    /// Puts a bundle of a version there, and gives its bytes.
    pub fn add_update(&self, version: &str) -> Vec<u8> {
        let key = SigningKey::parse(&SigningKey::generate().unwrap()).unwrap();
        let folder = self.directory.path();
        std::fs::write(folder.join("keys"), key.public()).unwrap();
        let root = folder.join(format!("humilis_{version}.root"));
        std::fs::write(&root, vec![7; 700_000]).unwrap();
        let mut bytes = Vec::new();
        humilis_update::write(&mut bytes, &key, version, &[&root]).unwrap();
        let depot = self.hub.depot().unwrap();
        let mut incoming = depot.receive().unwrap();
        incoming.push(&bytes).unwrap();
        depot.keep(incoming).unwrap();
        bytes
    }
}

fn request() -> (String, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
    (key.serialize_pem(), request.der().to_vec())
}

/// What went wrong where nothing should have gone well.
pub fn refused<T>(result: Result<T, Status>) -> String {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}
