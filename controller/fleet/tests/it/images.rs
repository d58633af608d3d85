//! Who is told to give an image to whom.

use crate::world::{DIGEST, World, refused};
use controller_ports::fleet::{Fleet as _, HostChange};
use humilis_proto::federation::{ImageHolder, result::Outcome};

const ADDRESS: &str = "192.0.2.11:8448";

fn yes() -> Outcome {
    Outcome::Data(Vec::new())
}

#[tokio::test]
async fn a_host_that_has_an_image_is_told_to_give_it_before_the_other_hears_of_it() {
    let world = World::new(3600).await;
    let (one, two) = (world.machine("one").await, world.machine("two").await);
    let mut giver = world.connect(&one).await.unwrap();
    let _taker = world.connect(&two).await.unwrap();
    assert_eq!(world.find_image(&two, DIGEST).await.unwrap(), [], "nobody has it");
    giver.holds(ADDRESS, &[[1; 32], DIGEST]).await;
    until_known(&world, &two, &mut giver).await;
    assert_eq!(world.find_image(&one, DIGEST).await.unwrap(), [], "who asks is not sent to itself");
    let (found, share) = tokio::join!(world.find_image(&two, DIGEST), giver.shares(yes()));
    let holder = ImageHolder { host_id: one.id.to_string(), address: ADDRESS.to_owned() };
    assert_eq!(found.unwrap(), [holder]);
    assert_eq!((share.host_id, share.sha256), (two.id.to_string(), hex::encode(DIGEST)));

    let busy = Outcome::Error("busy".to_owned());
    let (found, _) = tokio::join!(world.find_image(&two, DIGEST), giver.shares(busy));
    assert_eq!(found.unwrap(), []);
    assert_eq!(world.find_image(&two, DIGEST).await.unwrap(), [], "nobody is sent to a host that does not answer");
    giver.next().await.unwrap();

    giver.holds(ADDRESS, &[[1; 32]]).await;
    let forgotten = async { while !world.find_image(&two, DIGEST).await.unwrap().is_empty() {} };
    tokio::select! { () = forgotten => {}, () = async { loop { giver.shares(yes()).await; } } => {} }
    giver.holds("nowhere", &[DIGEST]).await;
    assert_eq!(world.find_image(&two, DIGEST).await.unwrap(), [], "an address that is none");
}

#[tokio::test]
async fn only_members_are_told_and_only_of_what_they_are_asked_for() {
    let world = World::new(3600).await;
    let (one, two) = (world.machine("one").await, world.machine("two").await);
    let giver = world.connect(&one).await.unwrap();
    giver.holds(ADDRESS, &[DIGEST, [7; 32]]).await;
    let unknown = refused(world.find_image(&two, [7; 32]).await);
    assert!(unknown.starts_with("NotFound"), "held, and not the image's: {unknown}");
    world.hub.change_host(two.id, HostChange::Fence(String::new())).await.unwrap();
    let fenced = refused(world.find_image(&two, DIGEST).await);
    assert!(fenced.starts_with("PermissionDenied"), "{fenced}");
}

/// What the giver said has come in.
async fn until_known(world: &World, taker: &crate::world::Machine, giver: &mut crate::world::Stream) {
    let known = async { while world.find_image(taker, DIGEST).await.unwrap().is_empty() {} };
    tokio::join!(known, giver.shares(yes()));
}
