//! What the API, the operations and the observer share: finding a server and changing it.

use super::{model::Server, store};
use crate::{Compute, Failure, action_log, failure::no_server, unavailable};
use controller_base::id::ServerId;
use controller_db::{Conn, DbError, Tx};
use controller_ports::{Unavailable, fleet::ObjectKey};
use controller_web::{Context, Target};

/// So many times a change looks again when others change the same server.
const ATTEMPTS: usize = 10;

/// What a policy rule may look at.
pub(crate) fn target(server: &Server) -> Target {
    Target::project(&server.project_id).with("user_id", server.user_id.as_str())
}

/// What shall be logged of a change.
pub(crate) struct Note<'a> {
    pub(crate) context: &'a Context,
    pub(crate) action: &'static str,
    /// It ends with an observation; else it is over at once.
    pub(crate) ongoing: bool,
}

impl Compute {
    /// A server that the caller may know of: its own project's, or anybody's for an administrator. Deleted ones are unknown.
    ///
    /// # Errors
    /// 404.
    pub(crate) async fn visible(&self, context: &Context, id: &str) -> Result<Server, Failure> {
        let mut connection = self.db.read().await?;
        self.visible_in(&mut connection, context, id).await
    }

    async fn visible_in(&self, connection: &mut Conn, context: &Context, id: &str) -> Result<Server, Failure> {
        let parsed: ServerId = id.parse().map_err(|_| no_server(id))?;
        let found = store::get(connection, parsed).await?;
        let found = found.filter(|server| server.deleted_at.is_none() && may_know(context, server));
        found.ok_or_else(|| no_server(id))
    }

    /// A server on which the caller may do what the rule guards.
    ///
    /// # Errors
    /// 404, 403.
    pub(crate) async fn allowed(&self, context: &Context, id: &str, rule: &str) -> Result<Server, Failure> {
        let server = self.visible(context, id).await?;
        context.enforce(rule, &target(&server))?;
        Ok(server)
    }

    /// Changes a server in a transaction, logs it and tells its host.
    ///
    /// # Errors
    /// What `mutate` says, 404 when it was deleted meanwhile, 409 when it is locked or others keep changing it.
    pub(crate) async fn change(
        &self,
        id: ServerId,
        note: Note<'_>,
        mutate: impl Fn(&Server) -> Result<Server, Failure> + Send + Sync,
    ) -> Result<Server, Failure> {
        for _ in 0..ATTEMPTS {
            let mut tx = self.db.begin().await?;
            let found = store::get(&mut tx, id).await?.filter(|server| server.deleted_at.is_none());
            let server = found.ok_or_else(|| no_server(&id.to_string()))?;
            refuse_locked(note.context, &server)?;
            let next = mutate(&server)?;
            if !store::update(&mut tx, &next).await? {
                continue;
            }
            action_log::store::insert(&mut tx, &note.entry(&next, self)).await?;
            if next.desired != server.desired {
                self.touch_on_commit(&mut tx, &next);
            }
            tx.commit().await?;
            return Ok(next);
        }
        Err(crate::failure::conflict("The server is being changed by others; try again."))
    }

    /// Changes a server from inside: no lock, no log. `None` from `mutate`: nothing to change. Returns the server as it is then.
    /// A server of which nothing is left on its host gives its room back.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn advance(
        &self,
        id: ServerId,
        mutate: impl Fn(&Server) -> Option<Server> + Send + Sync,
    ) -> Result<Option<Server>, Unavailable> {
        self.advance_by(id, None, mutate, Tx::commit).await
    }

    /// The same for what a host says and would say again, of a server that was just read.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn advance_as_observed(
        &self,
        known: &Server,
        mutate: impl Fn(&Server) -> Option<Server> + Send + Sync,
    ) -> Result<Option<Server>, Unavailable> {
        self.advance_by(known.id, Some(known.clone()), mutate, Tx::commit_soon).await
    }

    async fn advance_by<F: Future<Output = Result<(), DbError>> + Send>(
        &self,
        id: ServerId,
        mut known: Option<Server>,
        mutate: impl Fn(&Server) -> Option<Server> + Send + Sync,
        commit: impl Fn(Tx) -> F + Send + Sync,
    ) -> Result<Option<Server>, Unavailable> {
        loop {
            let mut tx = self.db.begin().await.map_err(unavailable)?;
            let server = match known.take() {
                None => store::get(&mut tx, id).await.map_err(unavailable)?,
                known => known,
            };
            let Some(server) = server else { return Ok(None) };
            let Some(next) = mutate(&server) else {
                return Ok(Some(server));
            };
            if !store::update(&mut tx, &next).await.map_err(unavailable)? {
                continue;
            }
            self.follow(&mut tx, &server, &next).await?;
            commit(tx).await.map_err(unavailable)?;
            return Ok(Some(next));
        }
    }

    /// What else a change means.
    async fn follow(&self, tx: &mut Tx, before: &Server, after: &Server) -> Result<(), Unavailable> {
        if after.task.is_none() && before.task.is_some() {
            let failure = after.fault.as_ref().map(|fault| fault.message.as_str());
            let now = self.clock.now();
            action_log::store::finish(tx, after.id, failure, now).await.map_err(unavailable)?;
        }
        if after.gone && !before.gone {
            self.placement.release(tx, after.id).await?;
        }
        if after.desired != before.desired {
            self.touch_on_commit(tx, after);
        }
        Ok(())
    }

    /// Tells the server's host, after the commit, that something may have changed.
    pub(crate) fn touch_on_commit(&self, tx: &mut Tx, server: &Server) {
        if let Some(host) = &server.host {
            let (fleet, host, key) = (self.fleet.clone(), host.id, ObjectKey::Guest(server.id));
            tx.on_commit(move || fleet.touch(host, key));
        }
    }
}

impl Note<'_> {
    pub(crate) fn entry(&self, server: &Server, compute: &Compute) -> action_log::Entry {
        let now = compute.clock.now();
        action_log::Entry {
            id: action_log::new_id(),
            server_id: server.id,
            project_id: server.project_id.clone(),
            user_id: self.context.user_id().clone(),
            action: self.action.to_owned(),
            request_id: self.context.request_id().to_string(),
            started_at: now,
            updated_at: now,
            finished_at: (!self.ongoing).then_some(now),
            failure: None,
            host_name: server.host.as_ref().map(|host| host.name.clone()),
        }
    }
}

fn may_know(context: &Context, server: &Server) -> bool {
    let own = context.token().project().is_some_and(|project| project.id == server.project_id);
    own || context.is_admin()
}

fn refuse_locked(context: &Context, server: &Server) -> Result<(), Failure> {
    if server.lock.is_some() && !context.is_admin() {
        return Err(crate::failure::conflict(format!("Instance {} is locked", server.id)));
    }
    Ok(())
}
