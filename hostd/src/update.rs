//! A new version of the appliance: from a signed bundle to the slot that does not run. The next start tries it; what becomes of it then
//! is the boot loader's and the health check's business.

use anyhow::Context;
use hostd_kit::run::run;
use humilis_update::{Bundle, Keys};
use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Writes partitions and boot entries by the transfers of `systemd/sysupdate.d`.
const SYSUPDATE: &str = "/usr/lib/systemd/systemd-sysupdate";
/// What the running image says of itself.
const OS_RELEASE: &str = "/usr/lib/os-release";
/// A slow disk may take so long.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Where sysupdate looks for files.
pub const FOLDER: &str = "/var/lib/humilis/update";

/// Where the boot loader's entries are.
pub const ENTRIES: &str = "/efi/EFI/Linux";

/// Held while a bundle is installed.
const LOCK: &str = ".lock";

/// What became of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This version is in its slot; the next start takes it.
    Installed(String),
    /// This version runs, is in its slot already, was tried without success, or is older than what is.
    NothingNew(String),
}

/// Checks a bundle, and puts what is in it where the next start finds it.
///
/// # Errors
/// When nobody who is trusted signed the bundle, it is damaged, or the machine has no place for it. Nothing is changed then.
pub async fn install(bundle: PathBuf, keys: &[PathBuf], folder: &Path) -> anyhow::Result<Outcome> {
    let bundle = open(&bundle, keys)?;
    let version = bundle.header().version.clone();
    if running()?.as_deref() == Some(&version) {
        return Ok(Outcome::NothingNew(version));
    }
    // One at a time: a medium and the controller may bring updates together.
    let alone = File::create(folder.join(LOCK)).context("cannot make the update's lock")?;
    let _alone = tokio::task::spawn_blocking(move || alone.lock().map(|()| alone)).await??;
    clear(folder)?;
    discard_torn(Path::new(ENTRIES))?;
    let unpacked = install_from(bundle, &version, folder.to_owned()).await;
    clear(folder)?;
    unpacked
}

async fn install_from(bundle: Bundle<File>, version: &str, folder: PathBuf) -> anyhow::Result<Outcome> {
    tokio::task::spawn_blocking(move || bundle.unpack(&folder)).await??;
    let newer = run(SYSUPDATE, &["--verify=no", "check-new"], b"", PATIENCE).await;
    if newer.map_or(true, |newest| newest.trim_ascii() != version.as_bytes()) {
        return Ok(Outcome::NothingNew(version.to_owned()));
    }
    run(SYSUPDATE, &["--verify=no", "update", version], b"", PATIENCE).await?;
    Ok(Outcome::Installed(version.to_owned()))
}

/// Whether a boot entry is a program. A power cut can leave its name alone: the boot loader passes over it then, without counting a try.
#[must_use]
pub fn is_program(entry: &Path) -> bool {
    let mut magic = [0; 2];
    File::open(entry).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"MZ"
}

/// Removes entries that are none, which sysupdate would take for installed.
fn discard_torn(entries: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(entries).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().ends_with(".efi") && !is_program(&path) {
            tracing::warn!(entry = %path.display(), "a boot entry was torn by a power cut; it is removed");
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn open(bundle: &Path, keys: &[PathBuf]) -> anyhow::Result<Bundle<File>> {
    let file = File::open(bundle).with_context(|| format!("cannot read {}", bundle.display()))?;
    Ok(Bundle::open(file, &Keys::load(keys)?)?)
}

/// The version that runs; `None` on a machine that is no appliance.
///
/// # Errors
/// When the machine does not say what it is.
pub fn running() -> anyhow::Result<Option<String>> {
    let text = fs::read_to_string(OS_RELEASE).with_context(|| format!("cannot read {OS_RELEASE}"))?;
    Ok(image_version(&text))
}

fn image_version(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("IMAGE_VERSION="))?;
    Some(value.trim_matches('"').to_owned())
}

/// Removes what an update that was interrupted left.
fn clear(folder: &Path) -> anyhow::Result<()> {
    let read = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in read {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("humilis_") || name.starts_with(".humilis_") {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_version_is_the_images() {
        assert_eq!(image_version("NAME=\"Humilis\"\nIMAGE_VERSION=1.2\n").as_deref(), Some("1.2"));
        assert_eq!(image_version("IMAGE_VERSION=\"1.2\"").as_deref(), Some("1.2"));
        assert_eq!(image_version("NAME=Debian\n"), None);
    }

    #[test]
    fn leftovers_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["humilis_1.root", ".humilis_1.efi.part", "notes"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        clear(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn entries_that_a_power_cut_tore_go_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("humilis_1.efi", "MZ and so on"), ("humilis_2+3-0.efi", ""), ("humilis_3.efi", "\0\0")] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        discard_torn(folder.path()).unwrap();
        assert!(folder.path().join("humilis_1.efi").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        discard_torn(Path::new("/nonexistent")).unwrap();
    }

    #[tokio::test]
    async fn who_trusts_nobody_installs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let key = humilis_update::SigningKey::parse(&humilis_update::SigningKey::generate().unwrap()).unwrap();
        let (root, bundle) = (folder.path().join("humilis_9.root"), folder.path().join("9.update"));
        fs::write(&root, "x").unwrap();
        humilis_update::write(&mut File::create(&bundle).unwrap(), &key, "9", &[&root]).unwrap();
        let none = [folder.path().join("keys")];
        let error = install(bundle, &none, folder.path()).await.unwrap_err();
        assert!(error.to_string().contains("none of the keys"), "{error}");
    }
}
