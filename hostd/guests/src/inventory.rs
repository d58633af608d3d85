//! What of guests is on this host, and whether a guest explains it.

use crate::{cgroup, context::Context};
use hostd_kit::ids::GuestId;
use std::{collections::BTreeSet, fs};

/// Something that a guest has on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Whether a guest explains it.
    pub explained: bool,
}

/// Kinds of things that guests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process.
    Process,
    /// A cgroup.
    Cgroup,
    /// A file or directory.
    File,
}

/// Everything of guests, judged by the guests that shall be.
pub(crate) fn list(context: &Context, known: &BTreeSet<GuestId>) -> Vec<Item> {
    let mut items = processes(context, known);
    let groups = cgroup::all(&context.config.cgroup_parent).into_iter();
    items.extend(groups.map(|id| Item { kind: Kind::Cgroup, explained: known.contains(&id), name: id.to_string() }));
    for entry in fs::read_dir(context.layout.guests()).into_iter().flatten().flatten() {
        let explained =
            entry.file_name().to_str().and_then(|name| name.parse().ok()).is_some_and(|id| known.contains(&id));
        items.push(Item { kind: Kind::File, name: entry.path().display().to_string(), explained });
    }
    items
}

/// A guest has one process: a second one is explained by nothing.
fn processes(context: &Context, known: &BTreeSet<GuestId>) -> Vec<Item> {
    let found = context.scope.processes().into_iter();
    let found =
        found.flat_map(|(id, processes)| processes.into_iter().enumerate().map(move |(at, p)| (id.clone(), at, p)));
    let item = |(id, at, process): (GuestId, usize, crate::record::ProcessId)| Item {
        kind: Kind::Process,
        name: format!("{} {id}", process.pid),
        explained: at == 0 && known.contains(&id),
    };
    found.map(item).collect()
}
