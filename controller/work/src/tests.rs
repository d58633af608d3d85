//! Operations on real databases: order, waiting, undoing, resuming; and the hand-driven script.

use crate::{Operation, Outcome, Run, Runner, Step, StepError, step, testing::Script};
use async_trait::async_trait;
use controller_base::{Clock, Timestamp};
use controller_db::{Db, Row, testing::databases};
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Writes down what it does; waits at `two` until the gate is open; fails at `three` if told so.
#[derive(Clone, Default)]
struct Demo {
    log: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicBool>,
    db: Option<Db>,
    /// The first step knows that the second has to wait.
    lazy: bool,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    name: String,
    fails: bool,
    steps: Vec<String>,
}

impl Demo {
    fn note(&self, run: &Run<State>, what: &str) {
        self.log.lock().unwrap().push(format!("{}:{what}", run.state.name));
    }

    async fn one(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        self.note(run, "one");
        run.state.steps.push("one".to_owned());
        if let Some(db) = &self.db {
            let mut tx = db.begin().await?;
            run.record(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(if self.lazy { Outcome::DoneThenWait(Duration::from_secs(600)) } else { Outcome::Done })
    }

    async fn undo_one(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        self.note(run, "undo one");
        Ok(Outcome::Done)
    }

    async fn two(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        if !self.open.load(Ordering::SeqCst) {
            return Ok(Outcome::Wait(Duration::from_secs(600)));
        }
        self.note(run, &format!("two after {}", run.state.steps.join(",")));
        Ok(Outcome::Done)
    }

    async fn three(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        self.note(run, "three");
        if run.state.fails { Err(StepError::fail("told so")) } else { Ok(Outcome::Done) }
    }

    async fn undo_three(&self, run: &mut Run<State>) -> Result<Outcome, StepError> {
        self.note(run, "undo three");
        if run.attempt == 1 { Err(StepError::retry("not yet")) } else { Ok(Outcome::Done) }
    }
}

#[async_trait]
impl Operation for Demo {
    const KIND: &'static str = "demo";
    type State = State;
    fn steps() -> Vec<Step<Self>> {
        vec![
            step!("one", Self::one, Self::undo_one),
            step!("two", Self::two),
            step!("three", Self::three, Self::undo_three),
        ]
    }
    async fn failed(&self, run: &mut Run<State>, reason: &str) -> Result<(), StepError> {
        self.note(run, &format!("failed: {reason}"));
        Ok(())
    }
}

async fn runner(db: &Db, demo: &Demo) -> Runner {
    let runner = Runner::open(db.clone(), Clock::system()).await.unwrap();
    runner.register(demo.clone());
    runner.start().await.unwrap();
    runner
}

async fn enqueue(db: &Db, runner: &Runner, subject: &str, name: &str, fails: bool) {
    let mut tx = db.begin().await.unwrap();
    let state = State { name: name.to_owned(), fails, steps: Vec::new() };
    runner.enqueue::<Demo>(&mut tx, subject, &state).await.unwrap();
    tx.commit().await.unwrap();
}

async fn until_idle(db: &Db) {
    for _ in 0..500 {
        let mut conn = db.read().await.unwrap();
        let row = sqlx::query("SELECT COUNT(*) FROM work_operation").fetch_one(&mut *conn).await.unwrap();
        if row.get::<i64, _>(0) == 0 {
            return;
        }
        drop(conn);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("operations are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_subjects_operations_run_in_order_and_a_rolled_back_one_never() {
    for db in databases().await {
        let demo = Demo::default();
        demo.open.store(true, Ordering::SeqCst);
        let runner = runner(&db, &demo).await;
        let mut tx = db.begin().await.unwrap();
        runner.enqueue::<Demo>(&mut tx, "s", &State::default()).await.unwrap();
        drop(tx);
        for name in ["a", "b"] {
            enqueue(&db, &runner, "s", name, false).await;
        }
        until_idle(&db).await;
        let log = demo.log.lock().unwrap().join(" ");
        assert_eq!(log, "a:one a:two after one a:three b:one b:two after one b:three");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_step_goes_on_when_woken() {
    for db in databases().await {
        let demo = Demo::default();
        let runner = runner(&db, &demo).await;
        enqueue(&db, &runner, "s", "a", false).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let pending = runner.pending().await.unwrap();
        assert_eq!((pending.len(), pending[0].step.as_str()), (1, "two"));
        demo.open.store(true, Ordering::SeqCst);
        runner.wake("s");
        until_idle(&db).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_may_know_that_the_next_has_to_wait() {
    for db in databases().await {
        for recorded in [None, Some((*db).clone())] {
            let demo = Demo { lazy: true, db: recorded, ..Demo::default() };
            demo.open.store(true, Ordering::SeqCst);
            let runner = runner(&db, &demo).await;
            enqueue(&db, &runner, "s", "a", false).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(runner.pending().await.unwrap()[0].step, "two");
            assert_eq!(demo.log.lock().unwrap().join(" "), "a:one");
            runner.wake("s");
            until_idle(&db).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_operation_is_undone_backwards() {
    for db in databases().await {
        let demo = Demo::default();
        demo.open.store(true, Ordering::SeqCst);
        let runner = runner(&db, &demo).await;
        enqueue(&db, &runner, "s", "a", true).await;
        until_idle(&db).await;
        let log = demo.log.lock().unwrap().join(" | ");
        let expected =
            "a:one | a:two after one | a:three | a:undo three | a:undo three | a:undo one | a:failed: told so";
        assert_eq!(log, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_controllers_operation_is_resumed_where_it_stood() {
    for db in databases().await {
        let demo = Demo { db: Some((*db).clone()), ..Demo::default() };
        let first = runner(&db, &demo).await;
        enqueue(&db, &first, "s", "a", false).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.stop().await;
        demo.open.store(true, Ordering::SeqCst);
        let _second = runner(&db, &demo).await;
        until_idle(&db).await;
        assert_eq!(demo.log.lock().unwrap().join(" "), "a:one a:two after one a:three");
    }
}

#[tokio::test]
async fn a_script_repeats_steps_and_undoes_from_each() {
    let demo = Demo::default();
    demo.open.store(true, Ordering::SeqCst);
    let script = || Script::new(demo.clone(), "s", &State::default(), Timestamp(0));
    script().run_all_twice().await.unwrap();
    assert_eq!(demo.log.lock().unwrap().drain(..).filter(|line| line == ":three").count(), 2);
    for failing in 0..script().steps().len() {
        script().fail_at(failing, failing % 2 == 0).await.unwrap();
        let log: Vec<_> = demo.log.lock().unwrap().drain(..).collect();
        assert_eq!(log.iter().filter(|line| *line == ":undo one").count(), 2, "{log:?}");
        assert_eq!(log.last().unwrap(), ":failed: failed by the test");
    }
}
