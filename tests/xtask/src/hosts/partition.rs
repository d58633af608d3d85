//! `cargo xtask lab partition`: a host that does not reach its controller. Its guests run on, with their addresses, metadata and routes;
//! also those that reboot or crash; what happens to them meanwhile is known when the controller is back, and what the controller wanted meanwhile happens.

use super::{PATIENCE, Server, Story, until};
use anyhow::{Context as _, Result, ensure};
use humilis_harness::{guest, host::Cut};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Arguments {
    /// How long each cut lasts
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let length = Duration::from_secs(arguments.seconds);
    super::with_two(async |story| tell(story, length).await)
}

async fn tell(story: &Story, length: Duration) -> Result<()> {
    let (public, private) = story.prepare().await?;
    let mut still = story.server("still", 0, &private).await?;
    let far = story.server("far", 1, &private).await?;
    story.float(&mut still, &public).await?;
    let ready = Instant::now();
    story.ask_from_outside(&still, &format!("ping {}", far.fixed), "ok")?;
    story.say("two guests reach each other, one of them is seen from outside");
    for cut in [Cut::Both, Cut::Inward, Cut::Outward] {
        let meanwhile = Meanwhile { story, private: &private, still: &still, far: &far };
        meanwhile.during(cut, length).await.with_context(|| format!("{cut:?}"))?;
        story.ask_from_outside(&still, "status", "instance-id=")?;
        let uptime: u64 = guest::command(still.floating.as_deref().unwrap_or_default(), "uptime")?.parse()?;
        // Its clock may be somewhat slow.
        ensure!(
            Duration::from_millis(uptime) >= ready.elapsed() * 9 / 10,
            "the guest that nobody touched started anew"
        );
    }
    for server in [&still, &far] {
        story.delete(server).await?;
    }
    story.nothing_is_left()
}

/// What happens during a cut.
struct Meanwhile<'a> {
    story: &'a Story,
    private: &'a str,
    still: &'a Server,
    far: &'a Server,
}

impl Meanwhile<'_> {
    async fn during(&self, cut: Cut, length: Duration) -> Result<()> {
        let story = self.story;
        let host = &story.hosts[0];
        let again = story.server("again", 0, self.private).await?;
        let crashing = story.server("crashing", 0, self.private).await?;
        let killed = story.server("killed", 0, self.private).await?;
        let unwanted = story.server("unwanted", 0, self.private).await?;
        for server in [&again, &crashing, &killed, &unwanted] {
            story.ask_from_inside(server, self.private, "status", "instance-id=")?;
        }
        let since = Instant::now();
        host.cut(cut)?;
        story.until_up(1).await?;
        story.say(&format!("{cut:?}: {} is missed after {:.0} s", host.name, since.elapsed().as_secs_f64()));
        story.delete(&unwanted).await?;
        // Neither answers: it obeys.
        for (server, command) in [(&again, "reboot"), (&crashing, "crash")] {
            drop(host.inside(&format!("hn-{}", self.private), || guest::command(&server.fixed, command)));
        }
        for process in host.guests().into_iter().filter(|process| process.server == killed.id) {
            process.kill();
        }
        for server in [&again, &crashing, &killed] {
            self.started_anew(server, since)?;
        }
        story.say(&format!(
            "{cut:?}: guests that rebooted, crashed and lost their process have addresses and metadata again"
        ));
        while since.elapsed() < length {
            story.ask_from_outside(self.still, &format!("ping {}", self.far.fixed), "ok")?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        host.heal()?;
        let healed = Instant::now();
        story.until_up(2).await?;
        for server in [&again, &crashing, &killed] {
            self.becomes(server, "ACTIVE").await?;
        }
        self.gone(&unwanted).await?;
        let known = healed.elapsed().as_secs_f64();
        story.nothing_differs()?;
        story.say(&format!(
            "{cut:?}: {known:.0} s after it was healed all is known, what was wanted meanwhile has happened, and nothing differs"
        ));
        for server in [&again, &crashing, &killed] {
            story.delete(server).await?;
            self.gone(server).await?;
        }
        Ok(())
    }

    /// Waits until the guest runs for less time than the cut, and has its metadata.
    fn started_anew(&self, server: &Server, since: Instant) -> Result<()> {
        let host = &self.story.hosts[server.node];
        until("a guest that starts anew", || {
            let uptime = || guest::command(&server.fixed, "uptime");
            let uptime: u128 = host.inside(&format!("hn-{}", self.private), uptime)?.parse()?;
            ensure!(uptime < since.elapsed().as_millis(), "it runs on");
            Ok(())
        })?;
        self.story.ask_from_inside(server, self.private, "status", &format!("instance-id={}", server.id))
    }

    async fn becomes(&self, server: &Server, status: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.story.client.call("GET", "compute", &format!("/servers/{}", server.id), None).await?;
            if shown["server"]["status"] == status {
                return Ok(());
            }
            ensure!(Instant::now() < end, "it does not become {status}: {shown}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn gone(&self, server: &Server) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let path = format!("/servers/{}", server.id);
        while self.story.client.try_call("GET", "compute", &path, None).await?.0 != 404 {
            ensure!(Instant::now() < end, "a deleted server is still there");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
