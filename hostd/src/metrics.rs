//! What Prometheus is told of this host, in its text form. Made anew at every request; nothing is kept here.
//!
//! A guest's series end with the guest, so that their number is bounded by what runs here.

use crate::{federation::Connected, identity::Identity, sharing::Sharing, status};
use hostd_guests::{Board, GuestUsage, GuestsHandle, driver::EndedBy, model::State};
use hostd_images::Cache;
use hostd_kit::paths::Layout;
use std::{
    collections::HashMap,
    fmt::{Display, Write as _},
    fs,
};

/// What the metrics are made of.
#[derive(Clone)]
pub struct Metrics {
    /// The guests.
    pub guests: GuestsHandle,
    /// The image cache.
    pub images: Cache,
    /// What other hosts get from it.
    pub sharing: Sharing,
    /// Whether the controller is reached.
    pub connected: Connected,
    /// Where everything lies.
    pub layout: Layout,
}

/// Text under construction.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// A family with a sample per guest.
    fn guests<T: Display>(&mut self, name: &str, kind: &str, help: &str, guests: &[GuestUsage], value: Value<'_, T>) {
        self.family(name, kind, help);
        for guest in guests {
            self.sample(name, &format!("{{guest=\"{}\"}}", guest.id), value(guest));
        }
    }
}

type Value<'a, T> = &'a dyn Fn(&GuestUsage) -> T;

impl Metrics {
    /// All of it. Reads small files: for a thread that may wait.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = Page::default();
        page.family("humilis_build_info", "gauge", "The running program.");
        page.sample(
            "humilis_build_info",
            concat!("{program=\"hostd\",version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
            1,
        );
        states(&mut page, &self.guests.board());
        restarts(&mut page, &self.guests.board());
        usage(&mut page, &self.guests.usage());
        let (bytes, images) = self.images.usage();
        page.gauge("humilis_host_images", "Images in the cache.", images);
        page.gauge("humilis_host_image_bytes", "Bytes of the image cache.", bytes);
        let (controller, hosts) = self.images.received();
        let name = "humilis_host_image_received_bytes_total";
        page.family(name, "counter", "Bytes of images that came, from the controller and from other hosts.");
        page.sample(name, "{from=\"controller\"}", controller);
        page.sample(name, "{from=\"host\"}", hosts);
        page.family(
            "humilis_host_image_given_bytes_total",
            "counter",
            "Bytes of images that were given to other hosts.",
        );
        page.sample("humilis_host_image_given_bytes_total", "", self.sharing.given());
        self.pools(&mut page);
        let connected = u8::from(self.connected.borrow().is_some());
        page.gauge("humilis_host_connected", "Whether the stream to the controller is up.", connected);
        if let Ok(Some(identity)) = Identity::load(&self.layout)
            && let Ok((_, until)) = identity.validity()
        {
            let help = "When this host's certificate ends.";
            page.gauge("humilis_host_certificate_expiry_timestamp_seconds", help, until);
        }
        process(&mut page);
        page.0
    }

    fn pools(&self, page: &mut Page) {
        let Some((size, left)) = status::pool(&self.layout) else { return };
        let labels = "{pool=\"local\"}";
        page.family("humilis_host_pool_size_bytes", "gauge", "Size of a pool of disks.");
        page.sample("humilis_host_pool_size_bytes", labels, size);
        page.family("humilis_host_pool_available_bytes", "gauge", "What is left of a pool of disks.");
        page.sample("humilis_host_pool_available_bytes", labels, left);
    }
}

fn states(page: &mut Page, board: &Board) {
    let guests = board.peek();
    page.family("humilis_host_guests", "gauge", "Guests by state.");
    for (name, state) in State::WORDS {
        let count = guests.iter().filter(|guest| guest.state == state).count();
        page.sample("humilis_host_guests", &format!("{{state=\"{name}\"}}"), count);
    }
    let exits = board.exits();
    let help = "Guests' processes that ended since hostd's start: as was asked, with the host, by the guest, by a crash, at its start.";
    page.family("humilis_host_guest_exits_total", "counter", help);
    for reason in EndedBy::WORDS {
        let count = exits.get(reason).copied().unwrap_or_default();
        page.sample("humilis_host_guest_exits_total", &format!("{{reason=\"{reason}\"}}"), count);
    }
}

fn restarts(page: &mut Page, board: &Board) {
    let help = "Guests that ended by themselves and were started again by their policy, since hostd's start.";
    page.family("humilis_host_guest_restarts_total", "counter", help);
    page.sample("humilis_host_guest_restarts_total", "", board.restarts());
}

fn usage(page: &mut Page, guests: &[GuestUsage]) {
    let seconds: Value<'_, f64> = &|guest| guest.cpu_seconds;
    page.guests("humilis_guest_cpu_seconds_total", "counter", "Processor time of a guest's process.", guests, seconds);
    let resident: Value<'_, u64> = &|guest| guest.resident_bytes;
    page.guests("humilis_guest_resident_bytes", "gauge", "Memory of a guest's process.", guests, resident);
    let read: Value<'_, u64> = &|guest| guest.read_bytes;
    let help = "Bytes that a guest's process read from disks, page cache aside.";
    page.guests("humilis_guest_disk_read_bytes_total", "counter", help, guests, read);
    let written: Value<'_, u64> = &|guest| guest.written_bytes;
    let help = "Bytes that a guest's process wrote to disks.";
    page.guests("humilis_guest_disk_written_bytes_total", "counter", help, guests, written);
    let devices = devices(&fs::read_to_string("/proc/self/net/dev").unwrap_or_default());
    let total = |guest: &GuestUsage, column: usize| {
        let taps = guest.ports.iter().filter_map(|port| devices.get(&hostd_net::tap_name(port)));
        taps.filter_map(|numbers| numbers.get(column)).sum::<u64>()
    };
    // What the guest sends is what its taps receive.
    let received: Value<'_, u64> = &|guest| total(guest, TRANSMITTED);
    let help = "Bytes that a guest received.";
    page.guests("humilis_guest_network_receive_bytes_total", "counter", help, guests, received);
    let sent: Value<'_, u64> = &|guest| total(guest, RECEIVED);
    page.guests("humilis_guest_network_transmit_bytes_total", "counter", "Bytes that a guest sent.", guests, sent);
}

/// Columns of `/proc/net/dev`.
const RECEIVED: usize = 0;
const TRANSMITTED: usize = 8;

/// The numbers of every network device.
fn devices(text: &str) -> HashMap<String, Vec<u64>> {
    let device = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        Some((name.trim().to_owned(), numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect()))
    };
    text.lines().filter_map(device).collect()
}

fn process(page: &mut Page) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    page.family("process_cpu_seconds_total", "counter", "Processor time of this program.");
    page.sample("process_cpu_seconds_total", "", (number(14) + number(15)) as f64 / 100.0);
    page.gauge("process_resident_memory_bytes", "Memory of this program.", number(24) * 4096);
    let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    page.gauge("process_open_fds", "Open files of this program.", files);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        let text = "Inter-|   Receive\n face |bytes\n  ht-1: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n";
        let devices = devices(text);
        assert_eq!((devices["ht-1"][RECEIVED], devices["ht-1"][TRANSMITTED]), (10, 20));
    }

    #[test]
    fn a_family_has_its_type_and_its_samples() {
        let mut page = Page::default();
        page.gauge("a_bytes", "A.", 3);
        process(&mut page);
        assert!(page.0.starts_with("# HELP a_bytes A.\n# TYPE a_bytes gauge\na_bytes 3\n"));
        assert!(page.0.contains("\nprocess_resident_memory_bytes "), "{}", page.0);
    }
}
