//! Takes in what hosts report: each observation becomes at most one change of one server.

use super::model::Server;
use super::{change, observe, store};
use crate::{Compute, unavailable};
use async_trait::async_trait;
use controller_base::id::{HostId, ServerId};
use controller_db::DbError;
use controller_ports::Unavailable;
use controller_ports::fleet::{GuestObserver, GuestState, ObjectKey, ObservedGuest, PasswordError};
use std::collections::{HashMap, HashSet};

/// Most bytes of a password that a guest makes, as Nova has it.
const PASSWORD_MOST: usize = 1020;

#[async_trait]
impl GuestObserver for Compute {
    async fn observed(&self, host: HostId, complete: bool, guests: Vec<ObservedGuest>) -> Result<(), Unavailable> {
        self.take_in(host, complete, &guests).await
    }

    async fn password_made(&self, host: HostId, server: ServerId, password: String) -> Result<(), PasswordError> {
        if password.len() > PASSWORD_MOST {
            return Err(PasswordError::TooLong);
        }
        if password.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let open = |server: &Server| is_here(server, host) && server.deleted_at.is_none();
        let set = |server: &Server| {
            let wanted = open(server) && server.guest_password.is_empty();
            wanted.then(|| change::retold(Server { guest_password: password.clone(), ..server.clone() }, now))
        };
        match self.advance(server, set).await?.filter(open) {
            None => Err(PasswordError::NotFound),
            // A repetition, whose first answer was lost, changes nothing.
            Some(server) if server.guest_password == password => Ok(()),
            Some(_) => Err(PasswordError::AlreadySet),
        }
    }
}

impl Compute {
    async fn take_in(&self, host: HostId, complete: bool, guests: &[ObservedGuest]) -> Result<(), Unavailable> {
        let ids: Vec<ServerId> = guests.iter().map(|guest| guest.id).collect();
        let mut connection = self.db.read().await.map_err(unavailable)?;
        let known = store::get_many(&mut connection, &ids).await.map_err(unavailable)?;
        let missing =
            if complete { self.unlisted(host, &ids, &mut connection).await.map_err(unavailable)? } else { Vec::new() };
        drop(connection);
        let known: HashMap<ServerId, Server> = known.into_iter().map(|server| (server.id, server)).collect();
        for guest in guests {
            match known.get(&guest.id).filter(|server| is_here(server, host)) {
                Some(server) => self.one(server, host, guest).await?,
                None => self.unexplained(host, guest),
            }
        }
        for server in missing {
            let gone = |server: &Server| is_here(server, host).then(|| observe::gone(server)).flatten();
            self.advance_and_wake(&server, gone).await?;
        }
        Ok(())
    }

    async fn one(&self, server: &Server, host: HostId, guest: &ObservedGuest) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let unwanted = !server.desired.published && guest.state != GuestState::Gone;
        if unwanted {
            self.unexplained(host, guest);
            return Ok(());
        }
        // Most observations tell nothing new: look before a transaction is begun.
        if observe::react(server, guest, now).is_none() {
            return Ok(());
        }
        let react = |server: &Server| is_here(server, host).then(|| observe::react(server, guest, now)).flatten();
        self.advance_and_wake(server, react).await
    }

    async fn advance_and_wake(
        &self,
        server: &Server,
        mutate: impl Fn(&Server) -> Option<Server> + Send + Sync,
    ) -> Result<(), Unavailable> {
        self.advance_as_observed(server, mutate).await?;
        self.runner.wake(&server.id.to_string());
        Ok(())
    }

    /// A guest that no row explains: the fleet asks for what shall be, learns "nothing" and tells the host.
    fn unexplained(&self, host: HostId, guest: &ObservedGuest) {
        if guest.state != GuestState::Gone {
            tracing::info!(%host, server = %guest.id, "a host has a guest that it should not have; it is told so");
            self.fleet.touch(host, ObjectKey::Guest(guest.id));
        }
    }

    /// Servers that shall leave the host and that a complete report does not list.
    async fn unlisted(
        &self,
        host: HostId,
        listed: &[ServerId],
        connection: &mut controller_db::Conn,
    ) -> Result<Vec<Server>, DbError> {
        let listed: HashSet<&ServerId> = listed.iter().collect();
        let here = store::on_host(connection, host).await?;
        Ok(here.into_iter().filter(|server| !server.desired.published && !listed.contains(&server.id)).collect())
    }
}

fn is_here(server: &Server, host: HostId) -> bool {
    server.host.as_ref().is_some_and(|placed| placed.id == host)
}
