//! Updates: the key that signs them, the signed bundle, and a medium from which a machine takes it.

use super::{EPOCH, recipe, toolbox::Toolbox};
use anyhow::{Context as _, Result};
use humilis_harness::exec;
use humilis_update::SigningKey;
use std::{
    fs,
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// What the file system of a medium takes beside the bundle.
const AROUND: u64 = 16 << 20;

#[derive(clap::Args)]
pub struct KeyArguments {
    /// Where the secret key goes; keep it as the machines' safety is worth to you
    file: PathBuf,
}

impl KeyArguments {
    pub fn of(file: PathBuf) -> Self {
        Self { file }
    }
}

/// Makes a key, and tells its public half.
pub fn key(arguments: &KeyArguments) -> Result<()> {
    let file = &arguments.file;
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let out = out.as_mut().map_err(|error| anyhow::anyhow!("cannot make {}: {error}", file.display()))?;
    out.write_all(&SigningKey::generate()?)?;
    out.sync_all()?;
    println!("{}", read(file)?.public());
    Ok(())
}

pub fn read(file: &Path) -> Result<SigningKey> {
    let bytes = fs::read(file).with_context(|| format!("cannot read the key {}", file.display()))?;
    SigningKey::parse(&bytes).with_context(|| format!("{} is of no use", file.display()))
}

/// Makes an image trust the key.
pub fn trust(tree: &Path, key: &SigningKey) -> Result<()> {
    fs::write(tree.join("usr/lib/humilis/update.keys"), format!("{}\n", key.public())).context("cannot write the keys")
}

/// Makes the bundle of a version.
pub fn make(files: &[&Path], version: &str, key: &SigningKey, to: &Path) -> Result<()> {
    let mut out = BufWriter::new(fs::File::create(to).with_context(|| format!("cannot make {}", to.display()))?);
    humilis_update::write(&mut out, key, version, files)?;
    Ok(())
}

/// Makes a disk with a bundle on it, for a stick.
pub fn medium(bundle: &Path, seed: &str, to: &Path, work: &Path, tools: &Toolbox) -> Result<()> {
    let (folder, definitions) = (work.join("medium"), work.join("update.d"));
    for made in [&folder, &definitions] {
        drop(fs::remove_dir_all(made));
        fs::create_dir_all(made)?;
    }
    let inside = folder.join(bundle.file_name().unwrap_or_default());
    fs::copy(bundle, &inside).context("cannot copy the bundle")?;
    let mut touch = Command::new("touch");
    exec::read(touch.args(["-d", &format!("@{EPOCH}")]).args([&inside, &folder]))?;
    let size = (fs::metadata(&inside)?.len() + AROUND).next_multiple_of(1 << 20);
    let text = fs::read_to_string(recipe::folder().join("update.d/10-medium.conf"))?;
    let text = text.replace("@MEDIUM@", &folder.to_string_lossy()).replace("@SIZE@", &size.to_string());
    fs::write(definitions.join("10-medium.conf"), text)?;
    drop(fs::remove_file(to));
    let mut repart = tools.command("systemd-repart");
    repart.args(["--empty=create", "--size=auto", "--offline=yes", "--sector-size=512", "--dry-run=no", "--no-pager"]);
    repart.arg(format!("--definitions={}", definitions.display())).arg(format!("--seed={seed}"));
    exec::step("Making the update's medium", &work.join("medium.log"), repart.arg(to))
}
