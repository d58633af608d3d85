//! The rules: which system calls which kind of thread needs, and why.

use super::Thread;

/// What a call's argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Anything.
    Any,
    /// The argument of this index has this value.
    Equals(u8, u64),
    /// The argument of this index has none of these bits.
    Clear(u8, u64),
    /// The argument of this index is our own process.
    OwnProcess(u8),
}

/// One allowed call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) call: i64,
    pub(super) argument: Argument,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reader, and the test that wants one"))]
    pub(super) reason: &'static str,
}

const fn any(call: i64, reason: &'static str) -> Rule {
    Rule { call, argument: Argument::Any, reason }
}

const fn with(call: i64, argument: Argument, reason: &'static str) -> Rule {
    Rule { call, argument, reason }
}

/// An ioctl of a given number.
const fn ioctl(number: u64, reason: &'static str) -> Rule {
    with(libc::SYS_ioctl, Argument::Equals(1, number), reason)
}

const EXECUTABLE: Argument = Argument::Clear(2, libc::PROT_EXEC as u64);

/// All rules of a thread.
pub(super) fn of(thread: Thread) -> impl Iterator<Item = &'static Rule> {
    let own: &[&[Rule]] = match thread {
        Thread::Main => &[FILES, EVENTS, CONTROL, MACHINE],
        Thread::Vcpu => &[FILES, EVENTS, MACHINE, VCPU],
        Thread::Device => &[FILES, EVENTS],
    };
    RUNTIME.iter().chain(own.iter().flat_map(|rules| rules.iter()))
}

/// What Rust's and C's run time do in any thread.
const RUNTIME: &[Rule] = &[
    with(libc::SYS_mmap, EXECUTABLE, "large allocations; nothing new becomes executable"),
    with(libc::SYS_mprotect, EXECUTABLE, "the allocator's arenas and stack guards grow"),
    any(libc::SYS_munmap, "large allocations are given back"),
    any(libc::SYS_mremap, "large vectors grow"),
    any(libc::SYS_brk, "small allocations"),
    any(libc::SYS_madvise, "a thread's stack is given back at its end, guest memory at a reset"),
    any(libc::SYS_futex, "locks, condition variables, joins"),
    any(libc::SYS_sched_yield, "spinning locks of the run time"),
    any(libc::SYS_sched_getaffinity, "a thread's stack bounds are looked up"),
    any(libc::SYS_rt_sigreturn, "the end of the kick's handler"),
    any(libc::SYS_rt_sigprocmask, "a thread's start and end"),
    any(libc::SYS_sigaltstack, "the overflow handler's stack at a thread's start and end"),
    any(libc::SYS_rseq, "the C library registers each thread"),
    any(libc::SYS_set_robust_list, "the C library registers each thread"),
    any(libc::SYS_clock_gettime, "clocks without a vDSO"),
    any(libc::SYS_getrandom, "hash seeds, the entropy device"),
    any(libc::SYS_getpid, "the target of a kick"),
    any(libc::SYS_gettid, "the target of a kick"),
    any(libc::SYS_restart_syscall, "waits go on after a signal"),
    any(libc::SYS_exit, "a thread ends"),
    any(libc::SYS_exit_group, "the process ends"),
    with(libc::SYS_tgkill, Argument::OwnProcess(0), "kicks of vCPUs, abort; own threads only"),
];

/// Descriptors that are open already.
const FILES: &[Rule] = &[
    any(libc::SYS_read, "taps, event counters, image headers"),
    any(libc::SYS_write, "taps, event counters, the log, the console's file"),
    any(libc::SYS_readv, "packets into guest memory"),
    any(libc::SYS_writev, "packets from guest memory"),
    any(libc::SYS_pread64, "disk images"),
    any(libc::SYS_pwrite64, "disk images, the console's file"),
    any(libc::SYS_preadv, "disk images into guest memory"),
    any(libc::SYS_pwritev, "disk images from guest memory"),
    any(libc::SYS_lseek, "kernel images are read from their start at a reset; data and holes of images"),
    any(libc::SYS_fstat, "sizes of files"),
    any(libc::SYS_statx, "sizes of files"),
    any(libc::SYS_fsync, "the guest flushes a disk"),
    any(libc::SYS_fdatasync, "the guest flushes a disk"),
    any(libc::SYS_fallocate, "discard and write-zeroes"),
    any(libc::SYS_ftruncate, "images grow, the console's file is cut"),
    any(libc::SYS_close, "connections, events of devices"),
    any(libc::SYS_dup, "descriptors are shared between owners"),
    with(libc::SYS_fcntl, Argument::Equals(1, libc::F_DUPFD_CLOEXEC as u64), "descriptors are shared between owners"),
    with(libc::SYS_fcntl, Argument::Equals(1, libc::F_GETFD as u64), "the run time checks what it closes"),
    with(libc::SYS_fcntl, Argument::Equals(1, libc::F_GETFL as u64), "modes of descriptors"),
    with(libc::SYS_fcntl, Argument::Equals(1, libc::F_SETFL as u64), "connections do not block"),
];

/// Event loops.
const EVENTS: &[Rule] = &[
    any(libc::SYS_epoll_wait, "event loops"),
    any(libc::SYS_epoll_pwait, "event loops"),
    any(libc::SYS_epoll_ctl, "connections come and go"),
    any(libc::SYS_timerfd_settime, "the console's output is collected for a moment"),
    any(libc::SYS_ppoll, "waits for one descriptor"),
    any(libc::SYS_poll, "waits for one descriptor"),
];

/// The control socket.
const CONTROL: &[Rule] = &[
    any(libc::SYS_accept4, "hostd connects"),
    any(libc::SYS_recvfrom, "requests"),
    any(libc::SYS_sendto, "replies, which must not raise SIGPIPE"),
    any(libc::SYS_recvmsg, "requests"),
    any(libc::SYS_sendmsg, "replies"),
    any(libc::SYS_shutdown, "a console is detached"),
    ioctl(libc::FIONBIO, "connections do not block"),
];

/// Numbers of KVM's ioctls (include/uapi/linux/kvm.h).
mod kvm {
    pub(super) const RUN: u64 = 0xae80;
    pub(super) const GET_REGS: u64 = 0x8090_ae81;
    pub(super) const SET_REGS: u64 = 0x4090_ae82;
    pub(super) const GET_SREGS: u64 = 0x8138_ae83;
    pub(super) const SET_SREGS: u64 = 0x4138_ae84;
    pub(super) const SET_MSRS: u64 = 0x4008_ae89;
    pub(super) const SET_FPU: u64 = 0x41a0_ae8d;
    pub(super) const SET_LAPIC: u64 = 0x4400_ae8f;
    pub(super) const SET_MP_STATE: u64 = 0x4004_ae99;
    pub(super) const SET_VCPU_EVENTS: u64 = 0x4040_aea0;
    pub(super) const SET_DEBUGREGS: u64 = 0x4080_aea2;
    pub(super) const SET_XCRS: u64 = 0x4188_aea7;
    pub(super) const KVMCLOCK_CTRL: u64 = 0xaead;
    pub(super) const SET_GSI_ROUTING: u64 = 0x4008_ae6a;
    pub(super) const IRQFD: u64 = 0x4020_ae76;
    pub(super) const IOEVENTFD: u64 = 0x4040_ae79;
    pub(super) const SET_IRQCHIP: u64 = 0x8208_ae63;
    pub(super) const SET_PIT2: u64 = 0x4070_aea0;
    pub(super) const SET_CLOCK: u64 = 0x4030_ae7b;
    pub(super) const GET_CLOCK: u64 = 0x8030_ae7c;
}

/// TUNSETOFFLOAD and TUNSETVNETHDRSZ (include/uapi/linux/if_tun.h).
const TUN_SET_OFFLOAD: u64 = 0x4004_54d0;
const TUN_SET_HEADER_SIZE: u64 = 0x4004_54d8;

/// What a guest's register writes and a reset need of the machine.
const MACHINE: &[Rule] = &[
    ioctl(kvm::SET_GSI_ROUTING, "the guest programs an MSI-X vector"),
    ioctl(kvm::IRQFD, "the guest masks and unmasks a vector"),
    ioctl(kvm::IOEVENTFD, "the guest moves a BAR"),
    ioctl(kvm::SET_IRQCHIP, "a reset"),
    ioctl(kvm::SET_PIT2, "a reset"),
    ioctl(kvm::GET_CLOCK, "the guest's clock stands over a pause"),
    ioctl(kvm::SET_CLOCK, "the guest's clock stands over a pause"),
    ioctl(TUN_SET_OFFLOAD, "the guest negotiates offloads"),
    ioctl(TUN_SET_HEADER_SIZE, "the guest negotiates offloads"),
    any(libc::SYS_eventfd2, "events of devices"),
];

/// What a vCPU's thread needs of its vCPU.
const VCPU: &[Rule] = &[
    ioctl(kvm::RUN, "the guest runs"),
    ioctl(kvm::GET_REGS, "diagnosis of a crash"),
    ioctl(kvm::GET_SREGS, "diagnosis of a crash"),
    ioctl(kvm::SET_REGS, "a reset"),
    ioctl(kvm::SET_SREGS, "a reset"),
    ioctl(kvm::SET_MSRS, "a reset"),
    ioctl(kvm::SET_FPU, "a reset"),
    ioctl(kvm::SET_LAPIC, "a reset"),
    ioctl(kvm::SET_MP_STATE, "a reset"),
    ioctl(kvm::SET_VCPU_EVENTS, "a reset"),
    ioctl(kvm::SET_DEBUGREGS, "a reset"),
    ioctl(kvm::SET_XCRS, "a reset"),
    ioctl(kvm::KVMCLOCK_CTRL, "the guest's watchdogs are told of a pause"),
];
