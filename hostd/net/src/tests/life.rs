//! Restart, removal, leftovers.

use super::lab::*;
use crate::Item;
use crate::model::*;

fn small_cloud() -> (Vec<Object>, Port, Port) {
    let (net, group) = (network(1, "10.1.0.0/24"), group(9, open()));
    let (a, b) = (port(2, &net, "10.1.0.5", &[&group]), port(3, &net, "10.1.0.6", &[&group]));
    let objects =
        vec![Object::Network(net), Object::SecurityGroup(group), Object::Port(a.clone()), Object::Port(b.clone())];
    (objects, a, b)
}

#[test]
fn converging_again_changes_nothing() {
    let lab = Lab::new();
    let (objects, a, _) = small_cloud();
    lab.upsert(objects.clone());
    let _guest = lab.guest(&a);
    let before = (lab.inventory(), links());
    lab.converge();
    lab.complete(objects);
    assert_eq!((lab.inventory(), links()), before);
}

/// All links with their indexes: one that was made anew has another.
fn links() -> String {
    let output = std::process::Command::new("ip").args(["-o", "link"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
