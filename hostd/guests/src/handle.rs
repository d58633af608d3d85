//! The way to the guests' actors: what shall be goes in, the [`Board`] shows what is.

use crate::{
    Board, GuestPorts, GuestsConfig,
    actor::{Actor, Wish},
    cgroup, console,
    context::Context,
    inventory::Item,
    model::{Guest, Observed, State},
    process::find::Scope,
    uids::Uids,
};
use hostd_images::Cache;
use hostd_kit::{ids::GuestId, paths::Layout};
use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, watch};

/// A change of the desired guests.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What is not among the upserts shall not be.
    pub complete: bool,
    /// New and changed guests.
    pub upserts: Vec<Arc<Guest>>,
    /// Guests that shall be no more.
    pub removals: Vec<GuestId>,
}

/// The host cannot run guests.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub struct StartError {
    action: &'static str,
    #[source]
    source: io::Error,
}

/// The actors by guest. An actor leaves it when its guest is gone.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    actors: Arc<Mutex<HashMap<GuestId, watch::Sender<Wish>>>>,
}

impl Registry {
    fn actors(&self) -> MutexGuard<'_, HashMap<GuestId, watch::Sender<Wish>>> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a guest that is gone, unless it is wanted again.
    pub(crate) fn forget(&self, id: &GuestId) -> bool {
        let mut actors = self.actors();
        let unwanted = actors.get(id).is_none_or(|wish| matches!(*wish.borrow(), Wish::Absent));
        if unwanted {
            actors.remove(id);
        }
        unwanted
    }
}

/// A cloneable handle. When the last one is dropped the actors end and leave everything as it is.
#[derive(Clone)]
pub struct GuestsHandle {
    context: Arc<Context>,
    registry: Registry,
}

impl GuestsHandle {
    /// Adopts what is on this host and goes on with `desired`, the guests of the ledger. Guests that are here and not among
    /// them are left alone until the first complete [`Changes`].
    ///
    /// # Errors
    /// When the guests' directories cannot be read.
    pub async fn start(
        layout: Layout,
        config: GuestsConfig,
        images: Cache,
        ports: Arc<dyn GuestPorts>,
        desired: Vec<Arc<Guest>>,
    ) -> Result<Self, StartError> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let boot_id = boot_id.map_err(|source| StartError { action: "read the host's boot id", source })?;
        let scope = Scope::of(&layout).map_err(|source| StartError { action: "find the guests' directory", source })?;
        let context = Arc::new(Context {
            scope,
            uids: Uids::new(config.first_uid, config.uids),
            layout,
            config,
            images,
            ports,
            board: Arc::default(),
            boot_id: boot_id.trim().to_owned(),
            ports_changed: Notify::new(),
        });
        let handle = Self { context, registry: Registry::default() };
        handle.adopt(desired).await?;
        Ok(handle)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.context.layout
    }

    /// The states of all guests.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        self.context.board.clone()
    }

    /// Tells the actors what shall be. Returns at once.
    pub fn apply(&self, changes: Changes) {
        let mut actors = self.registry.actors();
        if changes.complete {
            let kept: BTreeSet<_> = changes.upserts.iter().map(|guest| &guest.id).collect();
            for (_, wish) in actors.iter().filter(|(id, _)| !kept.contains(id)) {
                wish.send_replace(Wish::Absent);
            }
        }
        for id in &changes.removals {
            if let Some(wish) = actors.get(id) {
                wish.send_replace(Wish::Absent);
            }
        }
        for guest in changes.upserts {
            let id = guest.id.clone();
            let wish = Wish::Desired(guest);
            match actors.get(&id) {
                Some(known) => drop(known.send_replace(wish)),
                None => {
                    let (send, wishes) = watch::channel(wish);
                    actors.insert(id.clone(), send);
                    tokio::spawn(Actor::new(self.context.clone(), self.registry.clone(), id, wishes).run());
                }
            }
        }
        drop(actors);
        if changes.complete {
            self.sweep();
        }
    }

    /// Reports a guest that cannot even be understood; a guest that runs under this id is left as it is.
    pub fn reject(&self, id: GuestId, generation: u64, reason: String) {
        if !self.registry.actors().contains_key(&id) {
            let since = crate::context::now();
            self.context.board.set(Observed { id, generation, state: State::Failed, reason, boot_count: 0, since });
        }
    }

    /// The network's objects have changed: guests that wait for their ports look again.
    pub fn ports_changed(&self) {
        self.context.ports_changed.notify_waiters();
    }

    /// The newest bytes of a guest's console; also of one that is stopped.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn console(&self, id: &GuestId, most: u64) -> io::Result<Vec<u8>> {
        let kept = self.context.config.console_bytes;
        let most = if most == 0 { kept } else { most.min(kept) };
        console::tail(&self.context.layout.guest(id).console(), most)
    }

    /// Everything of guests that is on this host: processes, cgroups, files; each with whether a known guest explains it.
    #[must_use]
    pub fn inventory(&self) -> Vec<Item> {
        let known: BTreeSet<_> = self.registry.actors().keys().cloned().collect();
        crate::inventory::list(&self.context, &known)
    }

    async fn adopt(&self, desired: Vec<Arc<Guest>>) -> Result<(), StartError> {
        let found = self.context.scope.processes();
        let mut ids = self.directories().map_err(|source| StartError { action: "list guests' directories", source })?;
        ids.extend(found.keys().cloned());
        let mut wishes: HashMap<_, _> = ids.into_iter().map(|id| (id, Wish::Unknown)).collect();
        wishes.extend(desired.into_iter().map(|guest| (guest.id.clone(), Wish::Desired(guest))));
        let adopted = wishes.into_iter().map(|(id, wish)| {
            let processes = found.get(&id).cloned().unwrap_or_default();
            async move {
                let (send, receive) = watch::channel(wish);
                self.registry.actors().insert(id.clone(), send);
                let mut actor = Actor::new(self.context.clone(), self.registry.clone(), id, receive);
                actor.adopt(&processes).await;
                actor
            }
        });
        for mut actor in futures::future::join_all(adopted).await {
            actor.tell_adopted();
            tokio::spawn(actor.run());
        }
        Ok(())
    }

    fn directories(&self) -> io::Result<BTreeSet<GuestId>> {
        let entries = fs::read_dir(self.context.layout.guests())?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: io::Result<Vec<_>> = names.collect();
        Ok(names?.into_iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Removes the cgroups that belong to no guest any more.
    fn sweep(&self) {
        let actors = self.registry.actors();
        for id in cgroup::all(&self.context.config.cgroup_parent).into_iter().filter(|id| !actors.contains_key(id)) {
            if let Err(error) = cgroup::remove(&self.context.config.cgroup_parent, &id) {
                tracing::warn!(guest = %id, %error, "a leftover cgroup cannot be removed");
            }
        }
    }
}
