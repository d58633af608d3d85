//! The audit: what of ours is on this host, and what of it nothing explains. One JSON object a line.

use hostd_guests::{
    GuestsHandle,
    inventory::{self, Kind},
};
use hostd_images::Cache;
use hostd_net::{Item as NetItem, NetError, NetHandle};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// Something of ours on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// `process`, `cgroup`, `file`, `link`, `namespace` or `filter`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether a desired object explains it.
    pub explained: bool,
}

/// Everything that is audited.
#[derive(Clone)]
pub struct Audit {
    guests: GuestsHandle,
    net: NetHandle,
    images: Cache,
}

impl Audit {
    /// An audit of these.
    #[must_use]
    pub fn new(guests: GuestsHandle, net: NetHandle, images: Cache) -> Self {
        Self { guests, net, images }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the kernel's network state cannot be listed.
    pub async fn lines(&self) -> Result<Vec<Line>, NetError> {
        let (inventory, unexplained) = tokio::try_join!(self.net.inventory(), self.net.audit())?;
        let unexplained: BTreeSet<_> = unexplained.into_iter().collect();
        let net = inventory.into_iter().map(|item| net_line(&item, !unexplained.contains(&item)));
        let guests = self.guests.inventory().into_iter().map(guest_line);
        let strangers = self.images.strangers().into_iter().map(stranger);
        Ok(guests.chain(strangers).chain(net).collect())
    }

    /// The same as text.
    ///
    /// # Errors
    /// Those of [`Audit::lines`].
    pub async fn text(&self) -> Result<String, NetError> {
        Ok(text(&self.lines().await?))
    }

    /// What nothing explains, a line for people each.
    ///
    /// # Errors
    /// Those of [`Audit::lines`].
    pub async fn findings(&self) -> Result<String, NetError> {
        Ok(findings(&self.lines().await?))
    }
}

fn findings(lines: &[Line]) -> String {
    let left = lines.iter().filter(|line| !line.explained);
    left.map(|line| format!("the {} {} belongs to nothing\n", line.kind, line.name)).collect()
}

/// Lines as JSON, one object each.
#[must_use]
pub fn text(lines: &[Line]) -> String {
    // Two strings and a bool always serialize.
    lines.iter().filter_map(|line| serde_json::to_string(line).ok()).map(|line| line + "\n").collect()
}

fn net_line(item: &NetItem, explained: bool) -> Line {
    let (kind, name) = match item {
        NetItem::Link(name) => ("link", name),
        NetItem::Namespace(name) => ("namespace", name),
        NetItem::Filter(name) => ("filter", name),
    };
    Line { kind: kind.into(), name: name.clone(), explained }
}

fn guest_line(item: inventory::Item) -> Line {
    let kind = match item.kind {
        Kind::Process => "process",
        Kind::Cgroup => "cgroup",
        Kind::File => "file",
    };
    Line { kind: kind.into(), name: item.name, explained: item.explained }
}

fn stranger(path: PathBuf) -> Line {
    Line { kind: "file".into(), name: path.display().to_string(), explained: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_explains_is_found() {
        let link = |name: &str, explained| Line { kind: "link".into(), name: name.into(), explained };
        let found = findings(&[link("ht-known", true), link("ht-lost", false)]);
        assert_eq!(found, "the link ht-lost belongs to nothing\n");
    }
}
