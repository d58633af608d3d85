//! Hosts are updated, one after another.

use crate::world::{Machine, Stream, World, refused};
use controller_fleet::update::{Roll, State};
use controller_ports::fleet::{Fleet as _, HostChange};
use controller_work::Reconciler as _;
use humilis_proto::federation::{UpdateState, controller_message::Message as Down};
use std::time::Duration;

const DAY: i64 = 86_400;

async fn appliance(world: &World, name: &str) -> Machine {
    Machine { appliance: "1".to_owned(), ..world.machine(name).await }
}

impl World {
    async fn order(&self, machines: &[&Machine]) {
        let bundle = self.hub.depot().unwrap().get("2").unwrap();
        let mut hosts = Vec::new();
        for machine in machines {
            hosts.push(self.host(machine).await);
        }
        self.hub.update_hosts(&bundle, hosts).await.unwrap();
    }

    async fn advance(&self) {
        Roll(self.hub.clone()).run().await.unwrap();
    }

    /// Waits until the hosts' updates are so far.
    async fn are(&self, states: &[State]) {
        let mut found = Vec::new();
        for _ in 0..500 {
            self.advance().await;
            found = self.hub.updates().await.unwrap().into_iter().map(|order| order.state).collect();
            if found == states {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{found:?}, not {states:?}");
    }
}

async fn told(stream: &mut Stream) -> (String, u64) {
    match stream.next().await.unwrap() {
        Down::Update(update) => (update.version, update.size),
        other => panic!("{other:?} and no update"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_follow_each_other_and_are_told_again_when_they_come_back() {
    for world in World::all(DAY).await {
        let bytes = world.add_update("2");
        let (mut first, second) = (appliance(&world, "a").await, appliance(&world, "b").await);
        let mut one = world.connect(&first).await.unwrap();
        let mut two = world.connect(&second).await.unwrap();
        world.order(&[&first, &second]).await;
        world.are(&[State::Ordered, State::Waiting]).await;
        assert_eq!(told(&mut one).await, ("2".to_owned(), bytes.len() as u64));
        assert_eq!(world.fetch_update(&first, "2", 0).await.unwrap(), bytes);
        assert_eq!(world.fetch_update(&first, "2", 600_000).await.unwrap(), bytes[600_000..]);
        one.reports("2", UpdateState::Restarting, "").await;
        world.are(&[State::Restarting, State::Waiting]).await;
        drop(one);
        first.appliance = "2".to_owned();
        first.instance = "a-2".to_owned();
        let mut one = world.connect(&first).await.unwrap();
        told(&mut one).await;
        assert_eq!(world.host(&first).await.membership.appliance, "2");
        one.reports("2", UpdateState::Trial, "").await;
        one.reports("7", UpdateState::Failed, "of another version").await;
        world.are(&[State::Trial, State::Waiting]).await;
        one.reports("2", UpdateState::Done, "").await;
        world.are(&[State::Done, State::Ordered]).await;
        told(&mut two).await;
        two.reports("2", UpdateState::Done, "").await;
        world.are(&[State::Done, State::Done]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_none_follows_until_an_operator_says_so() {
    let world = World::new(DAY).await;
    world.add_update("2");
    let (first, second) = (appliance(&world, "a").await, appliance(&world, "b").await);
    let mut one = world.connect(&first).await.unwrap();
    let mut two = world.connect(&second).await.unwrap();
    world.order(&[&first, &second]).await;
    world.advance().await;
    told(&mut one).await;
    let bundle = world.hub.depot().unwrap().get("2").unwrap();
    let busy = world.hub.update_hosts(&bundle, Vec::new()).await.unwrap_err();
    assert!(busy.to_string().contains("being updated"), "{busy}");
    one.reports("2", UpdateState::Failed, "it went back").await;
    world.are(&[State::Failed, State::Stopped]).await;
    assert_eq!(world.hub.updates().await.unwrap()[0].reason, "it went back");
    world.order(&[&second]).await;
    world.are(&[State::Failed, State::Ordered]).await;
    told(&mut two).await;
    world.hub.stop_updates().await.unwrap();
    world.are(&[State::Failed, State::Stopped]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_appliances_of_the_federation_get_updates() {
    let world = World::new(DAY).await;
    world.add_update("2");
    let (plain, pending) = (world.machine("plain").await, appliance(&world, "late").await);
    let _stream = world.connect(&plain).await.unwrap();
    let bundle = world.hub.depot().unwrap().get("2").unwrap();
    let hosts = vec![world.host(&plain).await];
    let error = world.hub.update_hosts(&bundle, hosts).await.unwrap_err();
    assert!(error.to_string().contains("no appliance"), "{error}");
    let error = world.hub.update_hosts(&bundle, Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("no host is left"), "{error}");
    assert!(refused(world.fetch_update(&pending, "3", 0).await).contains("NotFound"));
    world.hub.change_host(pending.id, HostChange::Fence("away with it".to_owned())).await.unwrap();
    assert!(refused(world.fetch_update(&pending, "2", 0).await).contains("fenced"));
}
