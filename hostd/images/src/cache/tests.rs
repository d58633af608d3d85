use super::*;
use crate::{Parts, Peer, SourceError};
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// Gives the same bytes for every image, `each` of them before it breaks; hosts give their own.
struct Scripted {
    bytes: Vec<u8>,
    each: usize,
    opened: AtomicUsize,
    hosts: HashMap<String, Giver>,
}

/// What another host has, and after how many bytes it falls silent.
struct Giver {
    bytes: Vec<u8>,
    silent_after: usize,
    opened: AtomicUsize,
}

#[async_trait]
impl ImageSource for Scripted {
    fn open(&self, _: &Image, from: Option<&Peer>, range: Range<u64>) -> Parts {
        let (send, receive) = mpsc::channel(4);
        let range = range.start as usize..range.end as usize;
        if let Some(giver) = from.map(|peer| &self.hosts[&peer.host]) {
            giver.opened.fetch_add(1, Ordering::Relaxed);
            let end = range.end.min(giver.silent_after.max(range.start));
            send.try_send(Ok(giver.bytes[range.start..end].to_vec())).unwrap();
            if end < range.end {
                tokio::spawn(async move { send.closed().await });
            }
            return receive;
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        // A controller that does not know lengths sends all there is.
        let end = self.bytes.len().min(range.start + self.each);
        send.try_send(Ok(self.bytes[range.start..end].to_vec())).unwrap();
        if end < range.end {
            send.try_send(Err(SourceError::Interrupted("unplugged".into()))).unwrap();
        }
        receive
    }

    async fn peers(&self, _: &Image) -> Vec<Peer> {
        self.hosts.keys().map(|host| Peer { host: host.clone(), address: String::new() }).collect()
    }
}

fn image(bytes: &[u8]) -> Image {
    let digest = Digest(Sha256::digest(bytes).into());
    Image { id: "image".into(), digest, size: bytes.len() as u64, qcow2: false }
}

fn cache(dir: &Path, bytes: &[u8], each: usize, bound: u64) -> (Cache, Arc<Scripted>) {
    let source = Scripted { bytes: bytes.to_vec(), each, opened: AtomicUsize::new(0), hosts: HashMap::new() };
    let source = Arc::new(source);
    (Cache::new(dir, source.clone(), bound), source)
}

/// A cache that takes pieces of two bytes, two at a time, from hosts that have these bytes before the controller.
fn sharing(dir: &Path, bytes: &[u8], hosts: &[(&str, &[u8], usize)]) -> (Cache, Arc<Scripted>) {
    let giver = |bytes: &[u8], silent_after| Giver { bytes: bytes.to_vec(), silent_after, opened: AtomicUsize::new(0) };
    let hosts = hosts.iter().map(|(host, bytes, silent)| ((*host).to_owned(), giver(bytes, *silent))).collect();
    let source = Arc::new(Scripted { bytes: bytes.to_vec(), each: 99, opened: AtomicUsize::new(0), hosts });
    let patience = Duration::from_millis(50);
    let pace = Pace { piece: 2, streams: 2, least_shared: 0, patience, ask_again: Duration::ZERO };
    (Cache::paced(dir, source.clone(), 1 << 20, pace), source)
}

fn opened(count: &AtomicUsize) -> usize {
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_fetch_goes_on_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, source) = cache(dir.path(), b"abcdefgh", 3, 0);
    let lease = cache.get(&image(b"abcdefgh")).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), b"abcdefgh");
    assert_eq!(opened(&source.opened), 3);
}

#[tokio::test]
async fn pieces_of_an_earlier_run_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(b"abcdefgh");
    let part = dir.path().join(format!("{}.part", image.digest));
    fs::write(&part, b"ab\0\0efghc\0ch").unwrap();
    let (cache, source) = sharing(dir.path(), b"abcdefgh", &[]);
    let lease = cache.get(&image).await.unwrap();
    assert_eq!((fs::read(lease.path()).unwrap(), opened(&source.opened)), (b"abcdefgh".to_vec(), 1));
    assert_eq!(cache.shareable(), [image.digest]);
}

#[tokio::test]
async fn a_damaged_part_of_an_earlier_run_is_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(b"abcdefgh");
    let part = dir.path().join(format!("{}.part", image.digest));
    // Power was cut: the marks were written, the bytes were not.
    fs::write(&part, b"ab\0\0efghccch").unwrap();
    let (cache, source) = sharing(dir.path(), b"abcdefgh", &[]);
    let lease = cache.get(&image).await.unwrap();
    assert_eq!((fs::read(lease.path()).unwrap(), opened(&source.opened)), (b"abcdefgh".to_vec(), 5));
}

#[tokio::test]
async fn hosts_give_and_the_controller_is_spared() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, whole) = (b"abcdefgh".as_slice(), usize::MAX);
    let (cache, source) = sharing(dir.path(), bytes, &[("a", bytes, whole), ("b", bytes, whole)]);
    let lease = cache.get(&image(bytes)).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), bytes);
    assert_eq!(
        (opened(&source.opened), opened(&source.hosts["a"].opened), opened(&source.hosts["b"].opened)),
        (0, 2, 2)
    );
}

#[tokio::test]
async fn a_host_that_falls_silent_is_left_and_what_it_gave_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"abcdefgh";
    let (cache, source) = sharing(dir.path(), bytes, &[("a", bytes, 3)]);
    let lease = cache.get(&image(bytes)).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), bytes);
    assert_eq!((opened(&source.opened), opened(&source.hosts["a"].opened)), (3, 3), "one whole, one half, one nothing");
}

#[tokio::test]
async fn a_host_that_lies_costs_its_bytes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"abcdefgh";
    let image = image(bytes);
    let (cache, source) = sharing(dir.path(), bytes, &[("a", b"abXdefgh", usize::MAX)]);
    fs::write(dir.path().join(format!("{}.part", image.digest)), b"ab\0\0\0\0\0\0c\0\0\0").unwrap();
    let lease = cache.get(&image).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), bytes);
    assert_eq!((opened(&source.opened), opened(&source.hosts["a"].opened)), (3, 3), "the controller's piece was kept");
}

#[tokio::test]
async fn many_waiters_make_one_fetch() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, source) = cache(dir.path(), b"abcdefgh", 8, 0);
    let image = image(b"abcdefgh");
    let (a, b, c) = tokio::join!(cache.get(&image), cache.get(&image), cache.get(&image));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(opened(&source.opened), 1);
}

#[tokio::test]
async fn wrong_bytes_are_refused_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = cache(dir.path(), b"abcdefgX", 8, 0);
    let error = cache.get(&image(b"abcdefgh")).await.unwrap_err();
    assert!(matches!(error, ImageError::Corrupt { what: "digest", .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn of_more_bytes_than_announced_the_first_count() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = cache(dir.path(), b"abcdefgh and more", 99, 0);
    let lease = cache.get(&image(b"abcdefgh")).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), b"abcdefgh");
}

#[tokio::test]
async fn an_image_goes_when_nobody_uses_it_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = cache(dir.path(), b"abcdefgh", 8, 0);
    let lease = cache.get(&image(b"abcdefgh")).await.unwrap();
    let path = lease.path().to_owned();
    cache.allow_eviction();
    let other = lease.clone();
    drop(lease);
    assert!(path.exists());
    drop(other);
    assert!(!path.exists());
}

#[tokio::test]
async fn nothing_goes_before_eviction_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, _) = cache(dir.path(), b"abcdefgh", 8, 0);
    let lease = cache.get(&image(b"abcdefgh")).await.unwrap();
    let path = lease.path().to_owned();
    drop(lease);
    assert!(path.exists());
    cache.allow_eviction();
    assert!(!path.exists());
}

#[tokio::test]
async fn zeroes_become_holes_and_count() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = vec![0; 1 << 20];
    bytes[1 << 19] = 1;
    let (cache, _) = cache(dir.path(), &bytes, 1 << 18, 0);
    let lease = cache.get(&image(&bytes)).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), bytes);
    assert!(cache.usage().0 <= 300 * 1024, "{:?}", cache.usage());
}

#[tokio::test]
async fn a_full_disk_is_told_apart() {
    let error = ImageError::io(&image(b"x"), io::Error::from(io::ErrorKind::StorageFull));
    assert!(matches!(error, ImageError::NoSpace { .. }));
}

#[tokio::test]
async fn a_qcow2_image_becomes_the_disk_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let (raw, qcow2) = (directory.path().join("a.raw"), directory.path().join("a.qcow2"));
    let mut disk = vec![0; 1 << 20];
    disk[70_000..70_005].copy_from_slice(b"hello");
    std::fs::write(&raw, &disk).unwrap();
    let mut convert = std::process::Command::new("qemu-img");
    let status = convert.args(["convert", "-c", "-f", "raw", "-O", "qcow2"]).arg(&raw).arg(&qcow2).status().unwrap();
    assert!(status.success());
    let bytes = std::fs::read(qcow2).unwrap();
    let wanted = Image { qcow2: true, ..image(&bytes) };
    let dir = tempfile::tempdir().unwrap();
    let (cache, source) = cache(dir.path(), &bytes, bytes.len(), 0);
    let lease = cache.get(&wanted).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), disk);
    assert_eq!(fs::read(original_path(lease.path())).unwrap(), bytes, "for other hosts");
    fs::remove_file(lease.path()).unwrap();
    drop(lease);
    let lease = cache.get(&wanted).await.unwrap();
    assert_eq!((fs::read(lease.path()).unwrap(), opened(&source.opened)), (disk, 1), "made again of what is there");
    cache.allow_eviction();
    assert!(!original_path(lease.path()).exists(), "it counts as unused");
    assert!(lease.path().exists() && cache.get(&wanted).await.is_ok() && opened(&source.opened) == 1);
}

/// A bzImage whose kernel is one page of text, packed by LZ4 without being any shorter.
fn bzimage() -> Vec<u8> {
    let mut kernel = vec![0_u8; 0x2000];
    let mut put = |at: usize, bytes: &[u8]| kernel[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[2, 0, 62, 0, 1]);
    for (at, long) in
        [(24, 0x100_0000), (32, 64), (40, 0x2000), (72, 0x1000), (88, 0x100_0000), (96, 0x1000), (104, 0x1000)]
    {
        put(at, &u64::to_le_bytes(long));
    }
    put(52, &[64, 0, 56, 0, 1, 0, 64, 0]);
    put(64, &[1]);
    put(0x1000, b"text");
    // The table of relocations: three empty lists.
    kernel.extend([0; 12]);
    let mut block = vec![0xf0];
    let rest = kernel.len() - 15;
    block.extend(std::iter::repeat_n(0xff, rest / 255));
    block.push((rest % 255) as u8);
    block.extend(&kernel);
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    image[0x236] = 1;
    image[0x24c..0x250].copy_from_slice(&(block.len() as u32 + 12).to_le_bytes());
    image.extend([0x02, 0x21, 0x4c, 0x18]);
    image.extend((block.len() as u32).to_le_bytes());
    image.extend(block);
    image.extend((kernel.len() as u32).to_le_bytes());
    image
}

#[tokio::test]
async fn a_kernel_is_prepared_once_and_goes_with_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = bzimage();
    let (cache, _) = cache(dir.path(), &bytes, bytes.len(), 0);
    let (lease, path) = cache.get_kernel(&image(&bytes)).await.unwrap();
    assert_ne!(path, lease.path());
    assert_eq!(fs::read(&path).unwrap()[0x1000..0x1004], *b"text");
    let made = fs::metadata(&path).unwrap().modified().unwrap();
    drop(lease);
    let (lease, again) = cache.get_kernel(&image(&bytes)).await.unwrap();
    assert_eq!((&again, fs::metadata(&path).unwrap().modified().unwrap()), (&path, made));
    assert_eq!((cache.strangers(), cache.usage().1), (Vec::<PathBuf>::new(), 1));
    drop(lease);
    cache.allow_eviction();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_kernel_that_cannot_be_prepared_is_started_as_it_is() {
    let mut broken = bzimage();
    // The LZ4 block's length.
    broken[0x404] ^= 0xff;
    for bytes in [b"an ELF kernel, or packed otherwise".to_vec(), broken] {
        let dir = tempfile::tempdir().unwrap();
        let (cache, _) = cache(dir.path(), &bytes, bytes.len(), 0);
        let (lease, path) = cache.get_kernel(&image(&bytes)).await.unwrap();
        assert_eq!(path, lease.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "two names, no leftover");
    }
}
