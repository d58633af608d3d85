//! Orders on a machine that is played.

use super::*;
use async_trait::async_trait;
use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

struct Played {
    folder: tempfile::TempDir,
    standing: Mutex<Standing>,
    restarts: AtomicU32,
    /// What it installs, and why not if it does not.
    refuses: Option<&'static str>,
}

impl Played {
    fn new(standing: Standing, refuses: Option<&'static str>) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Self { folder, standing: Mutex::new(standing), restarts: AtomicU32::new(0), refuses })
    }

    fn becomes(&self, standing: Standing) {
        *self.standing.lock().unwrap() = standing;
    }
}

#[async_trait]
impl Machine for Played {
    fn look(&self, _: &str) -> anyhow::Result<Standing> {
        Ok(*self.standing.lock().unwrap())
    }
    fn place(&self, version: &str) -> PathBuf {
        self.folder.path().join(format!(".{version}.fetched"))
    }
    async fn install(&self, version: &str) -> anyhow::Result<Outcome> {
        assert_eq!(fs::read(self.place(version))?, BUNDLE);
        if let Some(reason) = self.refuses {
            anyhow::bail!(reason);
        }
        self.becomes(Standing::Installed);
        Ok(Outcome::Installed(version.to_owned()))
    }
    async fn restart(&self) -> anyhow::Result<()> {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

const BUNDLE: &[u8] = b"a bundle of thirty-four bytes, all";

/// Gives a few bytes at each attempt, and breaks off.
#[derive(Default)]
struct Wire {
    asked: Mutex<Vec<u64>>,
    unknown: bool,
}

impl Source for Wire {
    fn open(&self, _: &str, offset: u64) -> Bytes {
        self.asked.lock().unwrap().push(offset);
        let (send, bytes) = mpsc::channel(4);
        let rest = &BUNDLE[usize::try_from(offset).unwrap()..];
        let first = if self.unknown { Err(Broken::NotFound) } else { Ok(rest[..rest.len().min(20)].to_vec()) };
        send.try_send(first).unwrap();
        if offset == 0 {
            send.try_send(Err(Broken::Interrupted("cut".to_owned()))).unwrap();
        }
        bytes
    }
}

fn order() -> Order {
    Order { version: "2".to_owned(), size: BUNDLE.len() as u64 }
}

fn start(machine: Arc<dyn Machine>, source: Arc<dyn Source>) -> Delivery {
    let pace = Pace { look: Duration::from_millis(10), retry: Duration::from_millis(10) };
    Delivery::start(machine, source, pace)
}

async fn until(delivery: &Delivery, what: impl Fn(&Progress) -> bool) -> Progress {
    let mut reports = delivery.reports();
    let found = reports.wait_for(|report| report.as_ref().is_some_and(|(_, progress)| what(progress)));
    let found = tokio::time::timeout(Duration::from_secs(20), found).await.expect("in time").unwrap();
    found.clone().unwrap().1
}

#[tokio::test]
async fn an_update_is_fetched_in_pieces_installed_and_tried() {
    let (machine, wire) = (Played::new(Standing::Absent, None), Arc::new(Wire::default()));
    let delivery = start(machine.clone(), wire.clone());
    delivery.order(order());
    until(&delivery, |progress| *progress == Progress::Restarting).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(machine.restarts.load(Ordering::Relaxed), 1);
    assert_eq!(*wire.asked.lock().unwrap(), [0, 20], "what is there is not fetched again");
    // The machine is back.
    machine.becomes(Standing::OnTrial);
    let delivery = start(machine.clone(), wire);
    delivery.order(order());
    until(&delivery, |progress| *progress == Progress::Trial).await;
    machine.becomes(Standing::Kept);
    until(&delivery, |progress| *progress == Progress::Done).await;
}

#[tokio::test]
async fn what_was_left_is_not_tried_again() {
    let machine = Played::new(Standing::Left, None);
    let delivery = start(machine.clone(), Arc::new(Wire::default()));
    delivery.order(order());
    let failed = until(&delivery, |progress| matches!(progress, Progress::Failed(_))).await;
    assert!(matches!(failed, Progress::Failed(reason) if reason.contains("healthy")));
    assert_eq!(machine.restarts.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_refused_or_unknown_bundle_fails_and_the_machine_runs_on() {
    let refusing = Played::new(Standing::Absent, Some("none of the keys"));
    let delivery = start(refusing.clone(), Arc::new(Wire::default()));
    delivery.order(order());
    let failed = until(&delivery, |progress| matches!(progress, Progress::Failed(_))).await;
    assert_eq!(failed, Progress::Failed("none of the keys".to_owned()));
    let unknown = Arc::new(Wire { unknown: true, ..Wire::default() });
    let delivery = start(refusing.clone(), unknown);
    delivery.order(Order { version: "3".to_owned(), size: 9 });
    let failed = until(&delivery, |progress| matches!(progress, Progress::Failed(_))).await;
    assert!(matches!(failed, Progress::Failed(reason) if reason.contains("does not have")));
    assert_eq!(refusing.restarts.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn another_order_takes_the_place_of_one_that_does_not_come() {
    struct Silent;
    impl Source for Silent {
        fn open(&self, version: &str, _: u64) -> Bytes {
            let (send, bytes) = mpsc::channel(1);
            if version == "2" {
                send.try_send(Ok(BUNDLE.to_vec())).unwrap();
            } else {
                tokio::spawn(async move { send.closed().await });
            }
            bytes
        }
    }
    let machine = Played::new(Standing::Absent, None);
    let delivery = start(machine.clone(), Arc::new(Silent));
    delivery.order(Order { version: "1".to_owned(), size: 5 });
    until(&delivery, |progress| *progress == Progress::Fetching).await;
    delivery.order(order());
    until(&delivery, |progress| *progress == Progress::Restarting).await;
    assert!(!machine.place("1").exists(), "nothing is left of what is not wanted any more");
}
