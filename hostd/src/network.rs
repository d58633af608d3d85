//! Changes on their way to the network: one after the other, what waits taken together.

use hostd_guests::GuestsHandle;
use hostd_images::Cache;
use hostd_net::{
    NetHandle,
    model::{Changes, Object, ObjectKey},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::mpsc;

/// Before a convergence that failed in part is repeated.
const RETRY: Duration = Duration::from_secs(3);

/// Where changes of the network go.
#[derive(Clone)]
pub struct Network {
    changes: mpsc::UnboundedSender<Changes>,
    images: Cache,
}

impl Network {
    /// Starts the task that hands changes on.
    #[must_use]
    pub fn start(net: NetHandle, guests: GuestsHandle, images: Cache) -> Self {
        let (changes, queue) = mpsc::unbounded_channel();
        tokio::spawn(forward(net, guests, queue));
        Self { changes, images }
    }

    /// Hands a change on; returns at once.
    pub fn change(&self, changes: Changes) {
        if changes.complete || !changes.upserts.is_empty() || !changes.removals.is_empty() {
            // The receiver ends with the program.
            let _ = self.changes.send(changes);
        }
    }

    /// All guests are known: images that none of them uses may go.
    pub fn allow_image_eviction(&self) {
        self.images.allow_eviction();
    }
}

async fn forward(net: NetHandle, guests: GuestsHandle, mut queue: mpsc::UnboundedReceiver<Changes>) {
    let mut failed = false;
    loop {
        let next = if failed { tokio::time::timeout(RETRY, queue.recv()).await } else { Ok(queue.recv().await) };
        let converged = match next {
            Ok(None) => return,
            Ok(Some(first)) => net.apply(together(first, &mut queue)).await,
            Err(_) => net.converge().await,
        };
        guests.ports_changed();
        failed = match converged {
            Ok(done) => {
                for (object, error) in &done.failures {
                    tracing::error!(
                        ?object,
                        error = error as &dyn std::error::Error,
                        "the network is not as it shall be"
                    );
                }
                !done.failures.is_empty()
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the network cannot be changed");
                true
            }
        };
    }
}

/// Everything that waits, as one change.
fn together(first: Changes, queue: &mut mpsc::UnboundedReceiver<Changes>) -> Changes {
    let mut complete = first.complete;
    let mut objects = BTreeMap::new();
    let mut next = Some(first);
    while let Some(changes) = next {
        if changes.complete {
            complete = true;
            objects.clear();
        }
        objects.extend(changes.upserts.into_iter().map(|object| (key(&object), Some(object))));
        objects.extend(changes.removals.into_iter().map(|key| (key, None)));
        next = queue.try_recv().ok();
    }
    let mut merged = Changes { complete, ..Changes::default() };
    for (key, object) in objects {
        match object {
            Some(object) => merged.upserts.push(object),
            None => merged.removals.push(key),
        }
    }
    merged
}

fn key(object: &Object) -> ObjectKey {
    match object {
        Object::Network(network) => ObjectKey::Network(network.id.clone()),
        Object::Port(port) => ObjectKey::Port(port.id.clone()),
        Object::SecurityGroup(group) => ObjectKey::SecurityGroup(group.id.clone()),
        Object::Router(router) => ObjectKey::Router(router.id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostd_net::model::{Router, RouterId};

    fn router(id: &str, name: &str) -> Object {
        Object::Router(Router {
            id: RouterId::new(id),
            name: name.into(),
            admin_up: true,
            interfaces: vec![],
            gateway: None,
            floating_ips: vec![],
            routes: vec![],
        })
    }

    #[test]
    fn what_waits_is_one_change_and_the_last_word_counts() {
        let (send, mut queue) = mpsc::unbounded_channel();
        let upsert = |objects| Changes { upserts: objects, ..Changes::default() };
        send.send(upsert(vec![router("b", "new")])).unwrap();
        send.send(Changes { removals: vec![ObjectKey::Router(RouterId::new("a"))], ..Changes::default() }).unwrap();
        let merged = together(upsert(vec![router("a", "old"), router("b", "old")]), &mut queue);
        assert_eq!(merged.upserts, [router("b", "new")]);
        assert_eq!(merged.removals, [ObjectKey::Router(RouterId::new("a"))]);
        assert!(!merged.complete);
    }

    #[test]
    fn a_whole_state_forgets_what_came_before_it() {
        let (send, mut queue) = mpsc::unbounded_channel();
        send.send(Changes { complete: true, upserts: vec![router("b", "b")], removals: vec![] }).unwrap();
        let merged = together(Changes { upserts: vec![router("a", "a")], ..Changes::default() }, &mut queue);
        assert!(merged.complete);
        assert_eq!(merged.upserts, [router("b", "b")]);
    }
}
