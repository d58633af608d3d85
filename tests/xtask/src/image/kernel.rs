//! The kernel: Debian's own, for bare machines, with those of its modules that the recipe names and what they need.

use super::{RELEASE, recipe, toolbox::Toolbox};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use humilis_lab::{
    apt::{self, Apt},
    debian,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Depends on the newest.
const META: &str = "linux-image-amd64";

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `6.12.48+deb13-amd64`
    pub release: String,
    /// The package's name and version.
    pub package: (String, String),
    folder: PathBuf,
}

impl Kernel {
    /// Fetches and unpacks it.
    pub fn get(cache: &Path, work: &Path, tools: &Toolbox) -> Result<Self> {
        let sources = debian::sources(RELEASE)?;
        let apt = Apt::update(&cache.join("apt"), "Fetching the list of kernels", &sources)?;
        let depends = apt.show(META, "Depends")?;
        let name = depends.split([' ', ',']).next().context("no kernel")?.to_owned();
        let release = name.strip_prefix("linux-image-").with_context(|| format!("{name} is no kernel"))?.to_owned();
        let archive = apt.download("Fetching the kernel", &name)?;
        let folder = work.join("kernel");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        apt::unpack(&archive, &folder)?;
        let version = apt.show(&name, "Version")?;
        let kernel = Self { release, package: (name, version), folder };
        let mut depmod = tools.command("depmod");
        exec::step(
            "Reading the kernel's modules",
            &work.join("depmod.log"),
            depmod.arg("-b").arg(kernel.usr()).arg(&kernel.release),
        )?;
        Ok(kernel)
    }

    /// The kernel itself.
    pub fn image(&self) -> PathBuf {
        self.folder.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// The folder of its licence.
    pub fn documents(&self) -> PathBuf {
        self.folder.join("usr/share/doc").join(&self.package.0)
    }

    /// Copies the modules that the recipe keeps into a root, unpacked: the root packs them better, and all at once.
    pub fn install(&self, root: &Path, work: &Path, tools: &Toolbox) -> Result<()> {
        let from = self.folder.join("usr/lib/modules").join(&self.release);
        let to = root.join("usr/lib/modules").join(&self.release);
        let table = fs::read_to_string(from.join("modules.dep")).context("cannot read modules.dep")?;
        let keep = keep(&table, &recipe::paths("modules")?);
        for module in &keep {
            let place = to.join(module);
            fs::create_dir_all(place.parent().context("a module has no folder")?)?;
            fs::copy(from.join(module), &place).with_context(|| format!("cannot copy {module}"))?;
        }
        for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
            fs::copy(from.join(list), to.join(list)).with_context(|| format!("cannot copy {list}"))?;
        }
        let mut unpack = Command::new("sh");
        unpack
            .arg("-c")
            .arg("find \"$1\" -name '*.ko.xz' -print0 | xargs -0 -r -n 32 -P 2 xz -d -T 1")
            .arg("sh")
            .arg(&to);
        exec::step(
            &format!("Unpacking {} of the kernel's modules", keep.len()),
            &work.join("modules.log"),
            &mut unpack,
        )?;
        exec::read(tools.command("depmod").arg("-b").arg(root.join("usr")).arg(&self.release)).map(drop)
    }

    fn usr(&self) -> PathBuf {
        self.folder.join("usr")
    }
}

/// Modules below the wanted folders or of the wanted names, and what they need; `table` is a `modules.dep`.
fn keep(table: &str, wanted: &[String]) -> BTreeSet<String> {
    let mut keep = BTreeSet::new();
    for (module, needs) in table.lines().filter_map(|line| line.split_once(':')) {
        let path = module.strip_prefix("kernel/").unwrap_or(module);
        let is_wanted =
            |entry: &String| path.strip_prefix(entry.as_str()).is_some_and(|rest| rest.starts_with(['/', '.']));
        if wanted.iter().any(is_wanted) {
            keep.insert(module.to_owned());
            keep.extend(needs.split_whitespace().map(str::to_owned));
        }
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_is_kept_too() {
        let table = "kernel/net/a/one.ko.xz: kernel/lib/x.ko.xz kernel/lib/y.ko.xz\nkernel/net/ab/two.ko.xz:\n\
                     kernel/fs/three.ko.xz: kernel/lib/z.ko.xz\nkernel/fs/threefold.ko.xz:\nkernel/lib/x.ko.xz:\n";
        let kept = keep(table, &["net/a".to_owned(), "fs/three".to_owned()]);
        let kept: Vec<_> = kept.iter().map(String::as_str).collect();
        let expected = ["fs/three", "lib/x", "lib/y", "lib/z", "net/a/one"].map(|name| format!("kernel/{name}.ko.xz"));
        assert_eq!(kept, expected);
    }
}
