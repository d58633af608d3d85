//! Second phase: memory, KVM, devices and vCPUs come to be. Called inside the jail.

use super::notice::Notices;
use super::plan::{DiskPlan, NicPlan, Plan};
use super::processors::{ProcessorError, Processors};
use super::registry::Registry;
use crate::boot::{self, BootError, Entry, Source, Tables};
use crate::interrupt;
use crate::memory::{self, MemoryError, layout};
use crate::vcpu::thread::Buses;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use vmm_control::spec::DiskFormat;
use vmm_devices::bus::{BusError, MmioBus, PioBus};
use vmm_devices::legacy::i8042::I8042;
use vmm_devices::legacy::pm::AcpiPm;
use vmm_devices::legacy::ports;
use vmm_devices::legacy::rtc::{self, Rtc};
use vmm_devices::legacy::serial::{Serial, SerialInput};
use vmm_devices::pci::config_port::{self, ConfigPort};
use vmm_devices::pci::ecam::{self, Ecam};
use vmm_devices::pci::root::{PciError, PciRoot};
use vmm_devices::power::PowerSink;
use vmm_devices::terminal::{Log, Terminal};
use vmm_devices::virtio::VirtioDevice;
use vmm_devices::virtio::blk::Blk;
use vmm_devices::virtio::net::{self, Net, Offload};
use vmm_devices::virtio::pci::VirtioPci;
use vmm_devices::virtio::rng::Rng;
use vmm_disk::{Format, ImageError, Layer};
use vmm_sys::chips::Chips;
use vmm_sys::doorbell::Doorbells;
use vmm_sys::interrupt::Interrupt;
use vmm_sys::kvm::{Kvm, KvmError};
use vmm_sys::memory::GuestMemory;
use vmm_sys::msi::KvmMsiRouter;
use vmm_sys::tap::{self, Tap};
use vmm_sys::vm::{Vm, VmError};

/// Why a machine cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// KVM cannot be used.
    #[error("no KVM")]
    Kvm(#[from] KvmError),
    /// KVM made no machine.
    #[error("no machine")]
    Vm(#[from] VmError),
    /// No guest memory.
    #[error("no guest memory")]
    Memory(#[from] MemoryError),
    /// Nothing to start from.
    #[error("no start")]
    Boot(#[from] BootError),
    /// No vCPUs.
    #[error("no vCPUs")]
    Processors(#[from] ProcessorError),
    /// Two devices at one place.
    #[error("a device has no place")]
    Bus(#[from] BusError),
    /// Too many devices.
    #[error("device {id} has no place")]
    Pci {
        /// Its name.
        id: String,
        /// What ran out.
        source: PciError,
    },
    /// A disk's image is not what it should be.
    #[error("disk {id} cannot be used")]
    Disk {
        /// Its name.
        id: String,
        /// Why.
        source: ImageError,
    },
    /// A descriptor, event or tap does not work.
    #[error("cannot build {what}")]
    Io {
        /// What for.
        what: String,
        /// Why.
        source: io::Error,
    },
}

fn io_error(what: &str) -> impl FnOnce(io::Error) -> BuildError {
    move |source| BuildError::Io { what: what.to_owned(), source }
}

/// A machine that never ran. Its parts are the next phase's.
pub struct Built {
    pub(super) id: String,
    pub(super) source: Source,
    pub(super) tables: Tables,
    pub(super) memory: GuestMemory,
    pub(super) vm: Vm,
    pub(super) chips: Chips,
    pub(super) board: Board,
    pub(super) processors: Processors,
    pub(super) control: UnixListener,
    pub(super) seccomp: bool,
}

/// Devices and the ways to them.
pub(super) struct Board {
    pub(super) buses: Buses,
    pub(super) pci: Arc<Mutex<PciRoot>>,
    pub(super) registry: Registry,
    pub(super) terminal: Arc<Terminal>,
    pub(super) power_button: Arc<dyn Interrupt>,
    pub(super) notices: Arc<Notices>,
}

impl Built {
    /// Builds what `plan` says.
    ///
    /// # Errors
    /// The first part that cannot be built.
    pub fn new(mut plan: Plan) -> Result<Self, BuildError> {
        let kvm = Kvm::adopt(plan.kvm)?;
        let mut vm = kvm.create_vm()?;
        let memory = memory::map(plan.memory_mib)?;
        vm.add_memory(&memory)?;
        let chips = vm.chips()?;
        let tables = Tables {
            acpi: boot::acpi::tables(plan.vcpus),
            smbios: boot::smbios::tables(&plan.smbios, plan.vcpus, plan.memory_mib),
        };
        let board = Board::new(&vm, &memory, plan.console, plan.disks, plan.nics)?;
        let entry: Entry = boot::load(&mut plan.source, &tables, &memory)?;
        let processors = Processors::build(&kvm, &vm, plan.vcpus, &entry)?;
        Ok(Self {
            id: plan.id,
            source: plan.source,
            tables,
            memory,
            vm,
            chips,
            board,
            processors,
            control: plan.control,
            seccomp: plan.seccomp,
        })
    }
}

impl Board {
    fn new(
        vm: &Vm,
        memory: &GuestMemory,
        (log, limit): (std::fs::File, u64),
        disks: Vec<DiskPlan>,
        nics: Vec<NicPlan>,
    ) -> Result<Self, BuildError> {
        let notices = Arc::new(Notices::new().map_err(io_error("the machine's events"))?);
        let buses = Buses { pio: Arc::new(PioBus::new()), mmio: Arc::new(MmioBus::new()) };
        let window = (layout::MMIO_HOLE as u32, layout::PCI_WINDOW_LENGTH as u32);
        let pci = Arc::new(Mutex::new(PciRoot::new(Arc::clone(&buses.mmio), window.0, window.1)));
        let log = Log::open(log, limit).map_err(io_error("the console's log"))?;
        let terminal = Terminal::new(log).map_err(io_error("the console"))?;
        let events: Arc<dyn Interrupt> = Arc::new(vm.line(interrupt::EVENTS).map_err(io_error("the power button"))?);
        let registry = Registry::default();
        let mut board = Self { buses, pci, registry, terminal, power_button: events, notices };
        board.add_legacy(vm)?;
        let slots = Slots { memory, router: vm.msi_router(), doorbells: Arc::new(vm.doorbells()) };
        for disk in disks {
            board.add_disk(&slots, disk)?;
        }
        for nic in nics {
            board.add_nic(&slots, nic)?;
        }
        let rng = Rng::new().map_err(io_error("the entropy source"))?;
        board.add_virtio(&slots, Box::new(rng))?;
        Ok(board)
    }

    fn add_legacy(&mut self, vm: &Vm) -> Result<(), BuildError> {
        let power: Arc<dyn PowerSink> = self.notices.clone();
        let line = Arc::new(vm.line(interrupt::SERIAL).map_err(io_error("the serial port"))?);
        let serial = Arc::new(Mutex::new(Serial::new(line, Arc::clone(&self.terminal))));
        let pm = Arc::new(Mutex::new(AcpiPm::new(Arc::clone(&power))));
        let config = Arc::new(Mutex::new(ConfigPort::new(Arc::clone(&self.pci), Arc::clone(&power))));
        let pio = &self.buses.pio;
        pio.insert(ports::SERIAL.into(), ports::SERIAL_PORTS.into(), serial.clone())?;
        pio.insert(ports::ACPI.into(), ports::ACPI_PORTS.into(), pm)?;
        pio.insert(config_port::PORT.into(), config_port::PORTS.into(), config)?;
        pio.insert(ports::RTC.into(), ports::RTC_PORTS.into(), Arc::new(Mutex::new(Rtc::new(rtc::host_clock))))?;
        pio.insert(ports::I8042.into(), 1, Arc::new(Mutex::new(I8042::new(power))))?;
        let ecam = Arc::new(Mutex::new(Ecam::new(Arc::clone(&self.pci))));
        self.buses.mmio.insert(layout::ECAM, ecam::WINDOW, ecam)?;
        self.registry.add_work(Arc::new(SerialInput::new(Arc::clone(&serial))));
        self.registry.add_work(self.terminal.clone());
        self.registry.add(serial);
        Ok(())
    }

    fn add_disk(&mut self, slots: &Slots<'_>, plan: DiskPlan) -> Result<(), BuildError> {
        let DiskPlan { id, layers, readonly, serial } = plan;
        let disk = vmm_disk::open_chain(layers.into_iter().map(layer).collect(), readonly);
        let disk = disk.map_err(|source| BuildError::Disk { id: id.clone(), source })?;
        let device = Blk::new(&id, &serial, disk).map_err(io_error(&id))?;
        self.registry.add_counters(&id, device.counters());
        self.registry.add_flush(&id, Box::new(device.flusher()));
        self.add_virtio(slots, Box::new(device))
    }

    fn add_nic(&mut self, slots: &Slots<'_>, plan: NicPlan) -> Result<(), BuildError> {
        let tap = Tap::adopt(plan.tap, net::HEADER_SIZE as u8).map_err(io_error(&plan.id))?;
        let device = Net::new(&plan.id, Box::new(GuestTap(tap)), plan.mac, plan.mtu).map_err(io_error(&plan.id))?;
        self.registry.add_counters(&plan.id, device.counters());
        self.add_virtio(slots, Box::new(device))
    }

    fn add_virtio(&mut self, slots: &Slots<'_>, device: Box<dyn VirtioDevice>) -> Result<(), BuildError> {
        let id = device.id().to_owned();
        let function = VirtioPci::new(device, slots.memory.clone(), &slots.router, Arc::clone(&slots.doorbells));
        let function = Arc::new(Mutex::new(function.map_err(io_error(&id))?));
        let (mut pci, locked) = (vmm_devices::sync::lock(&self.pci), vmm_devices::sync::lock(&function));
        self.registry.add_work(locked.backend());
        drop(locked);
        pci.add(Arc::clone(&function)).map_err(|source| BuildError::Pci { id, source })?;
        self.registry.add(function);
        Ok(())
    }
}

/// What every function on the PCI bus is given.
struct Slots<'a> {
    memory: &'a GuestMemory,
    router: KvmMsiRouter,
    doorbells: Arc<dyn Doorbells>,
}

/// A layer as the disk's crate wants it.
fn layer((file, format): (std::fs::File, DiskFormat)) -> Layer {
    let format = match format {
        DiskFormat::Raw => Format::Raw,
        DiskFormat::Qcow2 => Format::Qcow2,
    };
    Layer { file, format }
}

/// A tap as the network card sees it.
struct GuestTap(Tap);

impl net::Tap for GuestTap {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn set_offload(&self, offload: Offload) -> io::Result<()> {
        let bits = [
            (offload.checksum, tap::offload::CHECKSUM),
            (offload.tso4, tap::offload::TSO4),
            (offload.tso6, tap::offload::TSO6),
        ];
        self.0.set_offload(bits.into_iter().filter(|(wanted, _)| *wanted).map(|(_, bit)| bit).sum())
    }
}
