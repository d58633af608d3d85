//! Each step twice, each step failing once.

use super::world::{World, still_worlds};
use crate::server::{Build, BuildState, Delete, DeleteState};
use controller_base::Timestamp;
use controller_base::id::ServerId;
use controller_ports::fleet::GuestState;
use controller_work::testing::Script;
use http::Method;
use serde_json::json;

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

fn build(world: &World, id: ServerId) -> Script {
    Script::new(Build(world.compute.clone()), &id.to_string(), &BuildState { server: id }, NOW)
}

/// Plays the host beside a script: answers what is asked of it.
async fn with_host(world: &World, id: ServerId, script: &mut Script, failing: Option<(usize, bool)>) {
    let host = async {
        loop {
            let state = if world.desired(id).await.is_some() { GuestState::Running } else { GuestState::Gone };
            world.observe(id, state).await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let run = async {
        match failing {
            None => script.run_all_twice().await,
            Some((step, partly)) => script.fail_at(step, partly).await,
        }
    };
    tokio::select! {
        result = run => result.unwrap(),
        () = host => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn building_may_repeat_every_step() {
    for world in still_worlds().await {
        let id = world.create(json!({})).await;
        with_host(&world, id, &mut build(&world, id), None).await;
        assert_eq!(world.show(id).await["status"], "ACTIVE");
        assert_eq!(world.networks.ports.lock().unwrap()[&id].len(), 1);
        assert_eq!(*world.networks.active.lock().unwrap(), [id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_may_fail_at_every_step() {
    for world in still_worlds().await {
        for failing in 0..2 {
            for partly in [false, true] {
                let id = world.create(json!({})).await;
                with_host(&world, id, &mut build(&world, id), Some((failing, partly))).await;
                let server = world.show(id).await;
                assert_eq!(server["status"], "ERROR", "step {failing}, partly {partly}");
                assert_eq!(server["fault"]["message"], "failed by the test");
                assert!(world.networks.ports.lock().unwrap().is_empty());
                assert!(world.placement.claims.lock().unwrap().is_empty());
                assert!(world.desired(id).await.is_none());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_may_repeat_every_step() {
    for world in still_worlds().await {
        let id = world.create(json!({})).await;
        with_host(&world, id, &mut build(&world, id), None).await;
        world.send(Method::DELETE, &format!("/v2.1/servers/{id}"), "member", 1, None).await;
        let state = DeleteState { server: id };
        let mut script = Script::new(Delete(world.compute.clone()), &id.to_string(), &state, NOW);
        with_host(&world, id, &mut script, None).await;
        assert!(world.networks.ports.lock().unwrap().is_empty());
        assert!(world.placement.claims.lock().unwrap().is_empty());
        assert_eq!(world.get(&format!("/v2.1/servers/{id}"), "member", 1).await.status, 404);
    }
}
