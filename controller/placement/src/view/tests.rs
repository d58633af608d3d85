use super::*;
use controller_base::Generation;
use controller_ports::placement::HostUsage;
use proptest::{prelude::*, test_runner::Config};

const NOW: Timestamp = Timestamp(1_000_000_000);

fn loaded(host: HostId, name: &str, memory_mib: u64, used_mib: u64, stamp: i64) -> Loaded {
    let usage = HostUsage {
        host_id: host,
        hostname: name.to_owned(),
        total: Resources { vcpus: 64, memory_mib, disk_gib: 100 },
        used: Resources { vcpus: 0, memory_mib: used_mib, disk_gib: 0 },
        servers: 0,
    };
    let provider = Provider {
        usage,
        nodes: Vec::new(),
        generation: Generation::FIRST,
        away_since: None,
        closed: false,
        cpu: crate::traits::Cpu::default(),
        modified_at: NOW,
    };
    Loaded { provider, stamp: Stamp(stamp) }
}

fn wanted(memory_mib: u64) -> Resources {
    Resources { vcpus: 1, memory_mib, disk_gib: 0 }
}

fn anywhere() -> Constraints {
    Constraints::default()
}

fn view(hosts: Vec<Loaded>) -> View {
    view_by(Order::Spread, hosts)
}

fn view_by(order: Order, hosts: Vec<Loaded>) -> View {
    let view = View::new(Ratios::default(), order);
    install(&view, hosts);
    view
}

fn install(view: &View, hosts: Vec<Loaded>) {
    let scope = view.everything(Duration::ZERO).unwrap();
    view.install(&scope, hosts);
}

fn reserve(view: &View, memory_mib: u64) -> Option<Reservation> {
    view.reserve(wanted(memory_mib), &Constraints::default(), NOW)
}

#[test]
fn room_that_is_taken_is_offered_to_nobody_else_until_it_is_given_back() {
    let host = HostId::random();
    let view = view(vec![loaded(host, "a", 1024, 0, 1)]);
    let first = reserve(&view, 512).unwrap();
    let second = reserve(&view, 512).unwrap();
    assert!(reserve(&view, 512).is_none());
    drop(first);
    assert_eq!(reserve(&view, 512).unwrap().host(), host);
    assert!(second.follows(Stamp(1), &anywhere(), NOW));
    second.keep();
    let third = reserve(&view, 512).unwrap();
    assert!(reserve(&view, 1).is_none());
    drop(third);
}

#[test]
fn a_claim_follows_what_is_known_and_nothing_else() {
    let host = HostId::random();
    let view = view(vec![loaded(host, "a", 2048, 0, 1)]);
    let (first, second, third) =
        (reserve(&view, 512).unwrap(), reserve(&view, 512).unwrap(), reserve(&view, 512).unwrap());
    assert!(
        !second.follows(first.stamp(), &anywhere(), NOW),
        "the first is not written yet: who knows on what it stands"
    );
    assert!(first.follows(Stamp(1), &anywhere(), NOW));
    assert!(second.follows(first.stamp(), &anywhere(), NOW));
    assert!(!third.follows(Stamp(7), &anywhere(), NOW));
    let last = second.stamp();
    first.keep();
    second.keep();
    assert!(third.follows(last, &anywhere(), NOW), "the stamp moved on with the commits");
}

#[test]
fn of_commits_that_are_heard_of_in_the_wrong_order_none_is_lost() {
    let host = HostId::random();
    let view = view(vec![loaded(host, "a", 1024, 0, 1)]);
    let (first, second) = (reserve(&view, 512).unwrap(), reserve(&view, 512).unwrap());
    assert!(first.follows(Stamp(1), &anywhere(), NOW) && second.follows(first.stamp(), &anywhere(), NOW));
    let last = second.stamp();
    second.keep();
    first.keep();
    assert!(reserve(&view, 1).is_none());
    let scope = view.in_doubt().expect("it is read again");
    view.install(&scope, vec![loaded(host, "a", 1024, 1024, last.0)]);
    assert!(view.in_doubt().is_none() && reserve(&view, 1).is_none());
}

#[test]
fn what_was_loaded_within_an_open_claim_is_not_counted_twice_and_not_believed_after_it() {
    let host = HostId::random();
    let view = view(vec![loaded(host, "a", 1024, 0, 1)]);
    let first = reserve(&view, 512).unwrap();
    assert!(first.follows(Stamp(1), &anywhere(), NOW));
    install(&view, vec![loaded(host, "a", 1024, 512, first.stamp().0)]);
    drop(reserve(&view, 512).expect("there is room for both"));
    drop(first);
    let scope = view.in_doubt().expect("what was loaded never became true");
    view.install(&scope, vec![loaded(host, "a", 1024, 0, 1)]);
    assert!(reserve(&view, 1024).is_some());
}

#[test]
fn a_view_that_was_wrong_is_corrected_and_those_who_relied_on_it_look_again() {
    let host = HostId::random();
    let view = view(vec![loaded(host, "a", 1024, 0, 1)]);
    let (first, second) = (reserve(&view, 512).unwrap(), reserve(&view, 512).unwrap());
    assert!(!first.follows(Stamp(2), &anywhere(), NOW), "somebody else was there");
    first.corrected(loaded(host, "a", 1024, 512, 2));
    assert!(!second.follows(first.stamp(), &anywhere(), NOW), "the room went to the first");
    drop(second);
    first.keep();
    assert!(reserve(&view, 1).is_none());
}

#[test]
fn a_doubt_that_comes_while_its_host_is_read_stays() {
    let host = HostId::random();
    let view = view(vec![loaded(host, "a", 1024, 0, 1)]);
    view.doubt(host);
    let scope = view.in_doubt().unwrap();
    view.doubt(host);
    view.install(&scope, vec![loaded(host, "a", 1024, 0, 1)]);
    let scope = view.in_doubt().expect("the second doubt");
    view.install(&scope, Vec::new());
    assert!(view.in_doubt().is_none() && reserve(&view, 1).is_none(), "a host that is not found is gone");
}

#[test]
fn a_load_of_everything_forgets_only_what_was_known_when_it_began() {
    let (one, two) = (HostId::random(), HostId::random());
    let view = view(vec![loaded(one, "a", 1024, 0, 1)]);
    let all = view.everything(Duration::ZERO).unwrap();
    view.doubt(two);
    let scope = view.in_doubt().unwrap();
    view.install(&scope, vec![loaded(two, "b", 2048, 0, 1)]);
    view.install(&all, Vec::new());
    assert_eq!(reserve(&view, 1).unwrap().host(), two);
    assert!(view.everything(Duration::from_secs(60)).is_none(), "it is fresh");
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    /// The order of the view chooses as a look at all hosts would.
    #[test]
    fn the_choice_is_the_best_of_all(
        hosts in prop::collection::vec((0..8u64, 0..9u64, 0..3u8, any::<bool>()), 0..30),
        memory in 0..5u64,
        picks in prop::collection::vec(any::<(bool, bool)>(), 30),
        among in any::<bool>(),
        pack in any::<bool>(),
    ) {
        let (ratios, order) = (Ratios::default(), if pack { Order::Pack } else { Order::Spread });
        let all: Vec<_> = hosts.iter().enumerate().map(|(number, (memory, used, away, closed))| {
            let mut loaded = loaded(HostId::random(), &format!("{number:02}"), memory * 256, used * 256, 1);
            let gone = [None, Some(NOW), Some(NOW.plus_seconds(-60))];
            loaded.provider.away_since = gone[usize::from(*away)];
            loaded.provider.closed = *closed && *away == 0;
            loaded
        }).collect();
        let ids = |which: fn(&(bool, bool)) -> bool| -> Vec<HostId> {
            let picked = all.iter().zip(&picks).filter(|(_, pick)| which(pick));
            picked.map(|(loaded, _)| loaded.provider.usage.host_id).collect()
        };
        let constraints = Constraints {
            avoid: ids(|pick| pick.0),
            only: among.then(|| ids(|pick| pick.1).into_iter().collect()),
            ..Constraints::default()
        };
        let wanted = wanted(memory * 256);
        let mut sorted: Vec<_> = all.iter().map(|loaded| loaded.provider.clone()).collect();
        crate::choose::sort(&mut sorted, &ratios, order);
        let best = sorted.iter().find(|provider| suits(provider, wanted, &constraints, &ratios, NOW));
        let chosen = view_by(order, all).reserve(wanted, &constraints, NOW).map(|reservation| reservation.host());
        prop_assert_eq!(chosen, best.map(|provider| provider.usage.host_id));
    }
}
