//! `cargo xtask bench`: what is measured, beside its aim and its peers' figures.

mod api;
mod boot;
pub mod cloud;
mod footprint;
mod identity;
mod load;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(clap::Args)]
pub struct Arguments {
    /// One JSON object a line instead of a table
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// From the start of a guest's process to its first user-space instruction, counted in instructions
    Boot(boot::Arguments),
    /// Requests to a cloud with guests of our own: times, CPU per server, rates
    Api,
    /// Memory of controller, hostd and a guest's process
    Footprint,
    /// Tokens, their validation and long lists, beside a real Keystone
    Identity,
}

/// Which direction is progress.
#[derive(Clone, Copy, Debug)]
pub enum Better {
    Lower,
    Higher,
}

/// A measured value.
#[derive(Clone, Debug)]
pub struct Figure {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub goal: Option<f64>,
    pub better: Better,
    /// Names and figures of others, in the same unit.
    pub peers: &'static [(&'static str, f64)],
}

impl Figure {
    fn better(&self) -> &'static str {
        match self.better {
            Better::Lower => "lower",
            Better::Higher => "higher",
        }
    }

    fn reached(&self) -> bool {
        self.goal.is_none_or(|goal| match self.better {
            Better::Lower => self.value <= goal,
            Better::Higher => self.value >= goal,
        })
    }

    fn json(&self) -> Value {
        let mut line = json!({"name": self.name, "value": self.value, "unit": self.unit, "better": self.better()});
        if let Some(goal) = self.goal {
            line["goal"] = json!(goal);
        }
        if !self.peers.is_empty() {
            line["peer"] = self.peers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        }
        line
    }
}

/// Prints figures as a table or as JSON lines.
pub fn print(figures: &[Figure], as_json: bool) {
    if as_json {
        figures.iter().for_each(|figure| println!("{}", figure.json()));
        return;
    }
    println!("{:<44} {:>10} {:<6} {:>10}  peers", "", "value", "unit", "goal");
    for figure in figures {
        let goal = figure.goal.map_or_else(String::new, |goal| format!("{goal:.1}"));
        let peers: Vec<_> = figure.peers.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let mark = if figure.reached() { "" } else { "  (aim missed)" };
        let peers = peers.join(", ");
        println!("{:<44} {:>10.2} {:<6} {:>10}  {peers}{mark}", figure.name, figure.value, figure.unit, goal);
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let figures = match &arguments.what {
        What::Boot(arguments) => boot::run(arguments)?,
        What::Api => api::run()?,
        What::Footprint => footprint::run()?,
        What::Identity => identity::run()?,
    };
    print(&figures, arguments.json);
    Ok(())
}
