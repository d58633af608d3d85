//! A controller by script: it signs, sends what a story wants, and remembers what the host reports.

use humilis_proto::federation::{
    self as wire, controller_message::Message as Down, enrolment_server, federation_server,
    host_message::Message as Up, object,
};
use humilis_recorded::{federation as older, through};
use prost::Message;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

pub const TOKEN: &str = "join-token";

/// The handle of a story.
#[derive(Clone)]
pub struct Controller {
    pub url: String,
    pub fingerprint: String,
    shared: Arc<Shared>,
}

struct Shared {
    issuer: Issuer<'static, KeyPair>,
    ca: String,
    state: Mutex<State>,
    older: AtomicBool,
    news: Notify,
}

#[derive(Default)]
struct State {
    desired: BTreeMap<String, wire::Object>,
    images: HashMap<String, Vec<u8>>,
    observed: HashMap<String, wire::ObservedGuest>,
    gone: Vec<String>,
    down: Option<mpsc::Sender<Result<wire::ControllerMessage, Status>>>,
    sequence: u64,
    acknowledged: u64,
    short_lived: bool,
    expired: bool,
    call: u64,
    calls: HashMap<u64, oneshot::Sender<Result<Vec<u8>, String>>>,
    update: Option<wire::UpdateProgress>,
    fetched: Vec<(String, u64)>,
}

impl Controller {
    pub async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let fingerprint = hex::encode(Sha256::digest(ca.der()));
        let issuer = Issuer::new(params, key);
        let mut server = CertificateParams::new(vec!["localhost".into()]).unwrap();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = KeyPair::generate().unwrap();
        let chain = server.signed_by(&server_key, &issuer).unwrap().pem() + &ca.pem();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, server_key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(ca.pem()))
            .client_auth_optional(true);
        let (state, older, news) = (Mutex::default(), AtomicBool::new(false), Notify::new());
        let shared = Arc::new(Shared { issuer, ca: ca.pem(), state, older, news });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let service = Service(shared.clone());
        let serving = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(enrolment_server::EnrolmentServer::new(service.clone()))
            .add_service(federation_server::FederationServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        Self { url, fingerprint, shared }
    }

    /// From now on it knows the recorded revision of the protocol alone.
    pub fn grow_old(&self) {
        self.shared.older.store(true, Ordering::Relaxed);
    }

    /// Keeps bytes as an image and says how a guest refers to it.
    pub fn image(&self, id: &str, bytes: Vec<u8>) -> wire::ImageRef {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let size_bytes = bytes.len() as u64;
        self.shared.state.lock().unwrap().images.insert(id.into(), bytes);
        wire::ImageRef { id: id.into(), sha256, size_bytes, disk_format: "raw".into() }
    }

    /// Where in this image transfers have begun since it was last asked.
    pub fn fetched(&self, id: &str) -> Vec<u64> {
        let fetched = std::mem::take(&mut self.shared.state.lock().unwrap().fetched);
        fetched.into_iter().filter(|(image, _)| image == id).map(|(_, offset)| offset).collect()
    }

    /// Whether certificates are signed that have nearly ended.
    pub fn sign_short_lived(&self, short_lived: bool) {
        self.shared.state.lock().unwrap().short_lived = short_lived;
    }

    /// Whether certificates are signed that have ended.
    pub fn sign_expired(&self, expired: bool) {
        self.shared.state.lock().unwrap().expired = expired;
    }

    /// Tells the host to get a new certificate.
    pub async fn ask_for_renewal(&self) {
        let down = self.wait(|state| state.down.clone(), "a connection", String::new).await;
        let message = Down::Renew(wire::Renew {});
        down.send(Ok(wire::ControllerMessage { message: Some(message) })).await.unwrap();
    }

    /// Wants a version of the appliance, and waits until the host says what becomes of it.
    pub async fn update(&self, version: &str) -> wire::UpdateProgress {
        let down = self.wait(|state| state.down.clone(), "a connection", String::new).await;
        let message = Down::Update(wire::Update { version: version.into(), size: 1 });
        down.send(Ok(wire::ControllerMessage { message: Some(message) })).await.unwrap();
        let ended = |state: &State| state.update.clone().filter(|update| update.state() == wire::UpdateState::Failed);
        self.wait(ended, "the update's end", String::new).await
    }

    /// Wants an object; sent at once when the host is connected.
    pub fn want(&self, objects: Vec<wire::Object>) {
        let mut state = self.shared.state.lock().unwrap();
        for object in &objects {
            state.desired.insert(object.id.clone(), object.clone());
        }
        state.send(wire::Desired { upserts: objects, ..wire::Desired::default() });
    }

    /// Changes a guest and moves its generation.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut wire::Guest)) {
        let mut state = self.shared.state.lock().unwrap();
        let object = state.desired.get_mut(id).unwrap();
        object.generation += 1;
        let Some(object::Object::Guest(guest)) = &mut object.object else { panic!("{id} is no guest") };
        change(guest);
        let upserts = vec![object.clone()];
        state.send(wire::Desired { upserts, ..wire::Desired::default() });
    }

    /// Wants these no more.
    pub fn unwant(&self, ids: &[&str]) {
        let mut state = self.shared.state.lock().unwrap();
        let removed: Vec<_> = ids.iter().map(|id| state.desired.remove(*id).unwrap()).collect();
        let removals = removed.iter().map(key).collect();
        state.send(wire::Desired { removals, ..wire::Desired::default() });
    }

    /// Waits until a guest is reported so.
    pub async fn until(&self, id: &str, what: impl Fn(&wire::ObservedGuest) -> bool) -> wire::ObservedGuest {
        let found = |state: &State| state.observed.get(id).filter(|guest| what(guest)).cloned();
        let last = || format!("{:?}", self.shared.state.lock().unwrap().observed.get(id));
        self.wait(found, &format!("guest {id}"), last).await
    }

    /// Waits until a guest is reported running with this boot count.
    pub async fn running(&self, id: &str, boot_count: u64) -> wire::ObservedGuest {
        self.until(id, |guest| guest.state() == wire::GuestState::Running && guest.boot_count == boot_count).await
    }

    /// Waits until a guest is reported in this state.
    pub async fn state(&self, id: &str, state: wire::GuestState) -> wire::ObservedGuest {
        self.until(id, |guest| guest.state() == state).await
    }

    /// Waits until a guest is reported gone, or is missing in a complete report.
    pub async fn gone(&self, id: &str) {
        let found = |state: &State| state.gone.iter().any(|gone| gone == id).then_some(());
        self.wait(found, &format!("the end of guest {id}"), String::new).await;
    }

    /// Forgets what was reported, so that the next report is waited for.
    pub fn forget(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.observed.clear();
        state.gone.clear();
    }

    /// Waits until the host holds everything.
    pub async fn acknowledged(&self) {
        let found = |state: &State| (state.sequence > 0 && state.acknowledged == state.sequence).then_some(());
        self.wait(found, "an acknowledgement", String::new).await;
    }

    /// Asks the host.
    pub async fn ask(&self, question: wire::call::Question) -> Result<Vec<u8>, String> {
        let (send, answer) = oneshot::channel();
        let call = {
            let mut state = self.shared.state.lock().unwrap();
            state.call += 1;
            let call = state.call;
            state.calls.insert(call, send);
            call
        };
        let down = self.wait(|state| state.down.clone(), "a connection", String::new).await;
        let message = Down::Call(wire::Call { call, question: Some(question) });
        down.send(Ok(wire::ControllerMessage { message: Some(message) })).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer in time").unwrap()
    }

    /// The end of a guest's console.
    pub async fn console(&self, id: &str) -> String {
        let question = wire::ConsoleOutput { guest_id: id.into(), max_bytes: 0 };
        let bytes = self.ask(wire::call::Question::ConsoleOutput(question)).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until a guest's console says this.
    pub async fn console_says(&self, id: &str, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let console = self.console(id).await;
            if console.contains(text) {
                return console;
            }
            assert!(Instant::now() < deadline, "the console of {id} does not say {text:?}: {console}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn wait<T>(&self, found: impl Fn(&State) -> Option<T>, what: &str, last: impl Fn() -> String) -> T {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(found) = found(&self.shared.state.lock().unwrap()) {
                return found;
            }
            if tokio::time::timeout_at(deadline, news).await.is_err() {
                panic!("waited in vain for {what}: {}", last());
            }
        }
    }
}

impl Shared {
    /// A message as it is understood, on its way in or out.
    fn known<Older: Message + Default, Present: Message + Default>(&self, message: Present) -> Present {
        if self.older.load(Ordering::Relaxed) { through::<Older, _>(&message) } else { message }
    }
}

impl State {
    fn send(&mut self, desired: wire::Desired) {
        self.sequence += 1;
        let message = Down::Desired(wire::Desired { sequence: self.sequence, ..desired });
        if let Some(down) = &self.down {
            // A host that was killed has not been missed yet: it gets a snapshot when it is back.
            let _ = down.try_send(Ok(wire::ControllerMessage { message: Some(message) }));
        }
    }

    fn take(&mut self, message: Up) {
        match message {
            Up::Hello(_) | Up::Images(_) => {}
            Up::Update(progress) => self.update = Some(progress),
            Up::Ack(ack) => self.acknowledged = ack.sequence,
            Up::Result(result) => {
                let answer = match result.outcome.unwrap() {
                    wire::result::Outcome::Data(data) => Ok(data),
                    wire::result::Outcome::Error(error) => Err(error),
                };
                if let Some(waiting) = self.calls.remove(&result.call) {
                    let _ = waiting.send(answer);
                }
            }
            Up::Observed(observed) => self.observe(observed),
        }
    }

    fn observe(&mut self, observed: wire::Observed) {
        if observed.complete {
            let known: Vec<_> = self.observed.keys().cloned().collect();
            self.gone.extend(known.into_iter().filter(|id| observed.guests.iter().all(|guest| guest.id != *id)));
            self.observed.clear();
        }
        for guest in observed.guests {
            if guest.state() == wire::GuestState::Gone {
                self.gone.push(guest.id.clone());
            }
            self.observed.insert(guest.id.clone(), guest);
        }
    }
}

fn key(object: &wire::Object) -> wire::ObjectKey {
    let kind = match object.object.as_ref().unwrap() {
        object::Object::Guest(_) => wire::ObjectKind::Guest,
        object::Object::Network(_) => wire::ObjectKind::Network,
        object::Object::Port(_) => wire::ObjectKind::Port,
        object::Object::SecurityGroup(_) => wire::ObjectKind::SecurityGroup,
        object::Object::Router(_) => wire::ObjectKind::Router,
    };
    wire::ObjectKey { kind: kind.into(), id: object.id.clone() }
}

#[derive(Clone)]
struct Service(Arc<Shared>);

impl Service {
    fn sign(&self, csr: &[u8]) -> Response<wire::EnrolResponse> {
        let csr = rustls_pki_types::CertificateSigningRequestDer::from(csr);
        let mut request = CertificateSigningRequestParams::from_der(&csr).unwrap();
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if self.0.state.lock().unwrap().short_lived {
            request.params.not_before = (SystemTime::now() - Duration::from_secs(3600)).into();
            request.params.not_after = (SystemTime::now() + Duration::from_secs(600)).into();
        }
        if self.0.state.lock().unwrap().expired {
            request.params.not_before = (SystemTime::now() - Duration::from_secs(3600)).into();
            request.params.not_after = (SystemTime::now() - Duration::from_secs(1)).into();
        }
        let certificate = request.signed_by(&self.0.issuer).unwrap().pem();
        Response::new(wire::EnrolResponse {
            host_id: "host".into(),
            certificate,
            ca: self.0.ca.clone(),
            awaiting_approval: false,
        })
    }
}

#[tonic::async_trait]
impl enrolment_server::Enrolment for Service {
    async fn enrol(&self, request: Request<wire::EnrolRequest>) -> Result<Response<wire::EnrolResponse>, Status> {
        let request = request.into_inner();
        if request.token != TOKEN {
            return Err(Status::unauthenticated("join token is not valid"));
        }
        Ok(self.sign(&request.csr))
    }
}

#[tonic::async_trait]
impl federation_server::Federation for Service {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<wire::ControllerMessage, Status>> + Send>>;
    type FetchImageStream = Pin<Box<dyn Stream<Item = Result<wire::ImageChunk, Status>> + Send>>;
    type FetchUpdateStream = Self::FetchImageStream;

    async fn session(
        &self,
        request: Request<Streaming<wire::HostMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        assert!(request.peer_certs().is_some(), "a member shows its certificate");
        let mut inbox = request.into_inner();
        let (down, stream) = mpsc::channel(1024);
        let shared = self.0.clone();
        {
            let mut state = shared.state.lock().unwrap();
            state.down = Some(down);
            let upserts = state.desired.values().cloned().collect();
            state.send(wire::Desired { complete: true, upserts, ..wire::Desired::default() });
            shared.news.notify_waiters();
        }
        let known = shared.clone();
        let stream = ReceiverStream::new(stream)
            .map(move |message| message.map(|m| known.known::<older::ControllerMessage, _>(m)));
        tokio::spawn(async move {
            while let Ok(Some(message)) = inbox.message().await {
                // Nothing is left of what it does not know.
                if let Some(message) = shared.known::<older::HostMessage, _>(message).message {
                    shared.state.lock().unwrap().take(message);
                    shared.news.notify_waiters();
                }
            }
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn renew(&self, request: Request<wire::RenewRequest>) -> Result<Response<wire::EnrolResponse>, Status> {
        Ok(self.sign(&request.into_inner().csr))
    }

    async fn keep_password(
        &self,
        _: Request<wire::KeepPasswordRequest>,
    ) -> Result<Response<wire::KeepPasswordResponse>, Status> {
        Err(Status::not_found("no such guest"))
    }

    async fn fetch_update(
        &self,
        _: Request<wire::FetchUpdateRequest>,
    ) -> Result<Response<Self::FetchUpdateStream>, Status> {
        Err(Status::not_found("no such update"))
    }

    // As a controller that is older than the question.
    async fn find_image(
        &self,
        _: Request<wire::FindImageRequest>,
    ) -> Result<Response<wire::FindImageResponse>, Status> {
        Err(Status::unimplemented("what is that?"))
    }

    async fn fetch_image(
        &self,
        request: Request<wire::FetchImageRequest>,
    ) -> Result<Response<Self::FetchImageStream>, Status> {
        let request = self.0.known::<older::FetchImageRequest, _>(request.into_inner());
        let mut state = self.0.state.lock().unwrap();
        state.fetched.push((request.image_id.clone(), request.offset));
        let image = state.images.get(&request.image_id).ok_or_else(|| Status::not_found("no such image"))?;
        let rest = &image[usize::try_from(request.offset).unwrap()..];
        let chunks: Vec<_> = rest.chunks(64 * 1024).map(|data| Ok(wire::ImageChunk { data: data.to_vec() })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
}
