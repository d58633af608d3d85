//! DNS: the network's own names are answered, the rest is asked of the host's resolvers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Current;
use super::names::{self, Answer, Question};
use crate::plan::ServicePlan;

/// Questions and connections under way at once, of one network.
const AT_ONCE: usize = 64;
/// How long a resolver may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a client's connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// Largest message over UDP that is passed on.
const LARGEST: usize = 4096;

/// The resolvers of `/etc/resolv.conf`.
pub(super) fn system_resolvers() -> Vec<SocketAddr> {
    parse_resolvers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn parse_resolvers(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    servers.map(|ip| SocketAddr::new(ip, 53)).collect()
}

/// Answers questions.
#[derive(Clone)]
pub(super) struct Resolver {
    plan: Current,
    upstream: Arc<Vec<SocketAddr>>,
    slots: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new(plan: Current, upstream: Arc<Vec<SocketAddr>>) -> Self {
        Self { plan, upstream, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The answer to a message; `None` if it is none that deserves one.
    async fn resolve(&self, message: &[u8], stream: bool) -> Option<Vec<u8>> {
        let question = names::parse(message)?;
        let own = own(&self.plan.borrow(), &question);
        if let Some(answer) = own {
            return Some(question.answer(&answer));
        }
        for server in self.upstream.iter() {
            let asked = async { if stream { ask_stream(*server, message).await } else { ask(*server, message).await } };
            if let Ok(Ok(answer)) = timeout(PATIENCE, asked).await {
                return Some(answer);
            }
        }
        Some(question.answer(&Answer::Failure))
    }
}

/// What our own names say; `None` if it is not for us to say.
fn own(plan: &ServicePlan, question: &Question) -> Option<Answer> {
    if let Some(addresses) = plan.names.get(&question.name) {
        return Some(Answer::Addresses(addresses.clone()));
    }
    if let Some(address) = question.reverse() {
        let ours = || plan.subnets.values().any(|subnet| subnet.cidr.contains(&address));
        return match plan.reverse.get(&address) {
            Some(name) => Some(Answer::Name(name.clone())),
            None => ours().then_some(Answer::NoSuchName),
        };
    }
    // A domain without dots is nobody else's; a tenant's real domain may have other names elsewhere.
    let local = !plan.domain.contains('.') && question.name.ends_with(&format!(".{}", plan.domain));
    local.then_some(Answer::NoSuchName)
}

async fn ask(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut answer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        // Another number answers another question.
        if answer.get(..2) == message.get(..2) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn ask_stream(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, message).await?;
    read_framed(&mut stream).await
}

async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Serves until the task is ended. A question that finds no slot is lost, and asked again by its client.
pub(super) async fn serve_udp(socket: UdpSocket, resolver: Resolver) {
    let socket = Arc::new(socket);
    let mut tasks = tokio::task::JoinSet::new();
    let mut buffer = vec![0; LARGEST];
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(slot) = Arc::clone(&resolver.slots).try_acquire_owned() else { continue };
        let (socket, resolver, message) = (Arc::clone(&socket), resolver.clone(), buffer[..length].to_vec());
        tasks.spawn(async move {
            if let Some(answer) = resolver.resolve(&message, false).await
                && let Err(error) = socket.send_to(&answer, from).await
            {
                tracing::debug!(%error, %from, "dns answer lost");
            }
            drop(slot);
        });
    }
}

/// Serves until the task is ended.
pub(super) async fn serve_tcp(listener: TcpListener, resolver: Resolver) {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let Ok(slot) = Arc::clone(&resolver.slots).try_acquire_owned() else { continue };
        let resolver = resolver.clone();
        tasks.spawn(async move {
            while let Ok(Ok(message)) = timeout(SILENCE, read_framed(&mut stream)).await {
                let Some(answer) = resolver.resolve(&message, true).await else { break };
                if !matches!(timeout(SILENCE, write_framed(&mut stream, &answer)).await, Ok(Ok(()))) {
                    break;
                }
            }
            drop(slot);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_and_nonsense_is_not() {
        let text = "# comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver  2001:db8::53\nnameserver x\n";
        let servers: Vec<String> = parse_resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.53:53", "[2001:db8::53]:53"]);
    }
}
