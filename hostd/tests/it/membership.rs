//! Stories of hosts that may not, or that have to prove anew who they are.

use crate::{
    daemon::process_of,
    world::{World, tell},
};
use std::{
    fs,
    time::{Duration, Instant},
};

fn log_of(world: &World) -> String {
    fs::read_to_string(world.log()).unwrap_or_default()
}

async fn log_says(world: &World, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !log_of(world).contains(text) {
        assert!(Instant::now() < deadline, "the log does not say {text:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_controller_that_is_not_the_tokens_gets_no_token() {
    tell(|mut world| async move {
        let real = std::mem::replace(&mut world.controller.fingerprint, "ab".repeat(32));
        let mut hostd = world.hostd();
        let status = hostd.wait(Duration::from_secs(20)).expect("hostd gives up");
        assert!(!status.success());
        let said = log_of(&world);
        assert!(said.contains("is another controller than the join token's"), "{said}");
        assert!(said.contains(&format!("sha256:{real}")) && said.contains(&"ab".repeat(32)), "{said}");
        assert!(!world.state().join("identity/identity.json").exists());
    });
}

#[test]
fn a_token_that_lets_nobody_in_is_told() {
    tell(|mut world| async move {
        world.token = "another".into();
        let mut hostd = world.hostd();
        assert!(!hostd.wait(Duration::from_secs(20)).expect("hostd gives up").success());
        assert!(log_of(&world).contains("the controller refused: join token is not valid"), "{}", log_of(&world));
    });
}

#[test]
fn a_certificate_is_renewed_when_the_controller_asks_and_no_guest_notices() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let identity = world.state().join("identity/identity.json");
        let _hostd = world.hostd();
        controller.want(vec![world.guest(id)]);
        controller.running(id, 1).await;
        let (first, pid) = (fs::read(&identity).unwrap(), process_of(id));
        controller.forget();
        controller.ask_for_renewal().await;
        controller.running(id, 1).await;
        assert_ne!(fs::read(&identity).unwrap(), first);
        assert_eq!(process_of(id), pid, "the guest runs on");
        controller.unwant(&[id]);
        controller.gone(id).await;
    });
}

#[test]
fn an_expired_certificate_is_told_and_a_new_token_replaces_it() {
    tell(|world| async move {
        let controller = world.controller.clone();
        controller.sign_expired(true);
        let hostd = world.hostd();
        log_says(&world, "this host's certificate expired at").await;
        hostd.kill();
        controller.sign_expired(false);
        let _hostd = world.hostd();
        controller.acknowledged().await;
    });
}

#[test]
fn a_host_that_is_no_appliance_takes_no_update() {
    tell(|world| async move {
        let _hostd = world.hostd();
        let said = world.controller.update("9.9.9").await;
        assert_eq!((said.version.as_str(), said.reason.contains("no appliance")), ("9.9.9", true), "{said:?}");
    });
}
