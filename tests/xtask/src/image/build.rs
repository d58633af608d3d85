//! From inputs to images, step by step.

use super::{
    BuildArguments, bundle, disk, initial,
    kernel::Kernel,
    manifest::{self, Package},
    recipe,
    root::{self, Root},
    toolbox::{self, Toolbox},
    tree::Tree,
};
use crate::setup::{self, Need};
use anyhow::{Context as _, Result, ensure};
use humilis_harness::{
    build::{self, Profile, Programs},
    exec,
};
use humilis_update::SigningKey;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Numbers of file systems and partitions come from this one and the version.
const NAMESPACE: Uuid = Uuid::from_u128(0x4f1d_2c7e_6a35_4b0f_9c86_70e2_d5b8_1a39);

/// What stays the same from build to build.
pub struct Inputs {
    programs: Programs,
    version: String,
    output: PathBuf,
    key: Option<SigningKey>,
}

/// A built appliance.
#[derive(Clone, Debug)]
pub struct Image {
    /// Whole, for a disk or a stick.
    pub disk: PathBuf,
    /// The same, compressed.
    pub packed: PathBuf,
    /// The installer, for a stick.
    pub installer: PathBuf,
    /// The same, compressed.
    pub installer_packed: PathBuf,
    /// The same, by the name that virtual drives want.
    pub iso: PathBuf,
    /// For updates: the root with its hashes, and the unified kernel image.
    pub root: PathBuf,
    pub efi: PathBuf,
    /// For network boot.
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub cmdline: PathBuf,
    pub manifest: PathBuf,
    /// A disk with the signed update, where there was a key.
    pub medium: Option<PathBuf>,
    pub packages: Vec<Package>,
    /// How long it took, without the product's own build.
    pub time: Duration,
}

/// Installs what is needed and builds the product's programs.
pub fn prepare(arguments: &BuildArguments) -> Result<Inputs> {
    let version = arguments.version().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || ".~-".contains(c);
    ensure!(!version.is_empty() && version.len() <= 20 && version.chars().all(plain), "{version:?} is no version");
    setup::run(Need::Image)?;
    eprintln!("Building the programs ...");
    let programs = build::product(Profile::Release)?;
    let key = arguments.key.as_deref().map(bundle::read).transpose()?;
    Ok(Inputs { programs, version, output: arguments.output()?, key })
}

impl Inputs {
    /// Where images go.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Builds in a folder of this name below the output, which is left with the images alone.
    pub fn make(&self, name: &str) -> Result<Image> {
        let started = Instant::now();
        let output = if name == "image" { self.output.clone() } else { self.output.join(name) };
        let work = output.join("work");
        drop(fs::remove_dir_all(&work));
        fs::create_dir_all(&work).context("cannot make the build's folder")?;
        let cache = toolbox::cache()?;
        let tools = Toolbox::get(&cache, &work)?;
        let label = format!("humilis_{}", self.version);
        let kernel = Kernel::get(&cache, &work, &tools)?;
        let tree = work.join("root");
        let packages = packages(&tree, &cache, &kernel)?;
        root::furnish(&tree, &self.version, &self.programs, &kernel, &work, &tools)?;
        if let Some(key) = &self.key {
            bundle::trust(&tree, key)?;
        }
        let root = root::image(&tree, &self.number("root"), &work.join("root.image"), &work, &tools)?;
        let mut image = self.boot(&root, &tree, &kernel, &label, &work, &tools, packages)?;
        for file in image.files_mut() {
            let place = output.join(file.file_name().unwrap_or_default());
            fs::rename(&*file, &place).with_context(|| format!("cannot move {}", file.display()))?;
            *file = place;
        }
        manifest::write(&image.manifest, &self.version, &root.hash, &image.packages, &image.files())?;
        if let Some(key) = &self.key {
            image.medium = Some(medium(&image, &self.version, key, &self.number("medium"), &work, &tools)?);
        }
        fs::remove_dir_all(&work).context("cannot remove the build's folder")?;
        image.time = started.elapsed();
        Ok(image)
    }

    /// All that starts the root.
    #[expect(clippy::too_many_arguments, reason = "the parts of one image, each made by a step before")]
    fn boot(
        &self,
        root: &Root,
        tree: &Path,
        kernel: &Kernel,
        label: &str,
        work: &Path,
        tools: &Toolbox,
        packages: Vec<Package>,
    ) -> Result<Image> {
        let file = |end: &str| work.join(format!("{label}{end}"));
        let initial = initial::make(tree, &kernel.release, work, tools)?;
        let words = disk::cmdline(root, label)?;
        let image = Image {
            disk: file(".raw"),
            packed: file(".raw.zst"),
            installer: file(".installer.raw"),
            installer_packed: file(".installer.raw.zst"),
            iso: file(".installer.iso"),
            root: file(".root"),
            efi: file(".efi"),
            kernel: file(".vmlinuz"),
            initrd: file(".netboot.initrd"),
            cmdline: file(".netboot.cmdline"),
            manifest: work.with_file_name(format!("{label}.manifest.json")),
            medium: None,
            packages,
            time: Duration::ZERO,
        };
        disk::unified(kernel, &initial, &words, tree, &image.efi, work, tools)?;
        disk::make(root, &image.efi, label, &self.number("disk"), &image.disk, work, tools)?;
        let seed = self.number("installer");
        disk::installer(root, &image.efi, &self.version, &seed, &image.installer, work, tools)?;
        let disks = [
            ("Compressing the disk", &image.disk, &image.packed),
            ("Compressing the installer", &image.installer, &image.installer_packed),
        ];
        for (title, disk, packed) in disks {
            let mut pack = tools.command("zstd");
            pack.args(["-q", "-f", "-T2", "-3", "--no-progress"]).arg(disk).arg("-o").arg(packed);
            exec::step(title, &work.join("zstd.log"), &mut pack)?;
        }
        exec::read(Command::new("cp").arg("--sparse=always").args([&image.installer, &image.iso]))?;
        let stick = disk::stick(&image.efi, &self.version, tools);
        initial::network(&initial, &root.image, stick, work, &image.initrd)?;
        fs::rename(&root.image, &image.root)?;
        fs::copy(kernel.image(), &image.kernel)?;
        let words = format!("{words} {}\n", recipe::lines("netboot.cmdline")?.join(" "));
        fs::write(&image.cmdline, words)?;
        Ok(image)
    }

    fn number(&self, what: &str) -> String {
        Uuid::new_v5(&NAMESPACE, format!("{what} {}", self.version).as_bytes()).to_string()
    }
}

/// Signs the update beside the image, and makes a medium of it.
fn medium(image: &Image, version: &str, key: &SigningKey, seed: &str, work: &Path, tools: &Toolbox) -> Result<PathBuf> {
    let (update, medium) = (image.root.with_extension("update"), image.root.with_extension("update.raw"));
    bundle::make(&[&image.root, &image.efi], version, key, &update)?;
    let made = work.join("medium.raw");
    bundle::medium(&update, seed, &made, work, tools)?;
    fs::rename(&made, &medium).context("cannot move the medium")?;
    Ok(medium)
}

/// Signs what now lies there as the image's update.
pub fn sign(image: &Image, version: &str, key: &SigningKey) -> Result<PathBuf> {
    let work = image.root.with_extension("work");
    let tools = Toolbox::get(&toolbox::cache()?, &work)?;
    let medium = medium(image, version, key, &Uuid::new_v5(&NAMESPACE, version.as_bytes()).to_string(), &work, &tools)?;
    fs::remove_dir_all(&work).context("cannot remove the build's folder")?;
    Ok(medium)
}

/// The root's packages, in a fresh tree, and the kernel's.
fn packages(tree: &Path, cache: &Path, kernel: &Kernel) -> Result<Vec<Package>> {
    let wanted = recipe::lines("packages")?;
    let title = "Installing the root's packages";
    Tree { title, variant: "essential", packages: &wanted, cache: &cache.join("packages") }.make(tree)?;
    let mut packages = manifest::packages(tree)?;
    let (name, version) = kernel.package.clone();
    let documents = tree.join("usr/share/doc").join(&name);
    exec::read(Command::new("cp").arg("-a").arg(kernel.documents()).arg(&documents))?;
    packages.push(Package::new(name, version, &documents.join("copyright")));
    packages.sort();
    Ok(packages)
}

impl Image {
    /// The image's files, without the manifest that describes them.
    pub fn files(&self) -> Vec<PathBuf> {
        self.clone().files_mut().map(|file| file.clone()).to_vec()
    }

    fn files_mut(&mut self) -> [&mut PathBuf; 10] {
        let Self { disk, packed, installer, installer_packed, iso, root, efi, kernel, initrd, cmdline, .. } = self;
        [disk, packed, installer, installer_packed, iso, root, efi, kernel, initrd, cmdline]
    }

    /// What was built, for people.
    pub fn summary(&self) -> Result<String> {
        let mut text = format!("Built in {:.0} s:\n", self.time.as_secs_f64());
        let update = self.medium.as_ref().map(|medium| [medium.with_extension(""), medium.clone()]);
        let described = self.files().into_iter().chain(update.into_iter().flatten()).zip([
            "the disk: write it to a stick or a disk",
            "the same, compressed",
            "the installer: write it to a stick",
            "the same, compressed",
            "the same, for a virtual drive or a CD",
            "update: the root",
            "update: the kernel",
            "network boot: the kernel",
            "network boot: initial RAM disk with the root, and with what the installer needs",
            "network boot: command line",
            "update: both, signed; for `controller update add`",
            "update: the same, for a stick",
        ]);
        for (file, what) in described {
            let mib = fs::metadata(&file)?.len() as f64 / 1048576.0;
            text.push_str(&format!("{mib:8.1} MiB  {}  {what}\n", file.display()));
        }
        text.push_str(&format!("{:12}  {}  packages, licences, hashes", "", self.manifest.display()));
        Ok(text)
    }
}
