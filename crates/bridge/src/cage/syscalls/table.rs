//! Which calls are refused whatever their arguments, and under which numbers.

use nix::libc;

use super::Rules;

/// Refused to every worker.
pub(super) fn never() -> impl Iterator<Item = i64> {
    NEVER.iter().chain(ONLY_HERE).copied()
}

/// Refused to a worker that may not fork.
pub(super) fn fork() -> impl Iterator<Item = i64> {
    FORK.iter().chain(ALONE).copied()
}

/// Signals to the process that the first argument names. Landlock judges them too, from ABI 6 (Linux 6.12) on.
pub(super) const SIGNALS: &[i64] =
    &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// What one process of a user may do to the limits and the scheduling of another, which Landlock does not judge. The first
/// argument names the process.
pub(super) const SCHEDULING: &[i64] = &[
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
];

/// What a process has no use for that has no children: leaving the group by which the broker ends it, and signals that do
/// not name the process in an argument which could be compared.
const ALONE: &[i64] = &[libc::SYS_setsid, libc::SYS_setpgid, libc::SYS_pidfd_send_signal, libc::SYS_tkill];

/// Calls that are to look as if this kernel did not have them. `clone3` has its flags behind a pointer, where no filter sees
/// them; the C libraries fall back to `clone`.
pub(super) fn absent() -> impl Iterator<Item = i64> {
    [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register].into_iter()
}

const NEVER: &[i64] = &[
    // A port that the kernel chooses needs no bind.
    libc::SYS_listen,
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // What Landlock leaves open on files that can be named: mode, owner, times, extended attributes, and on kernels before
    // 6.2 the length.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_truncate,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_SETXATTRAT,
    SYS_REMOVEXATTRAT,
    // Namespaces, mounts and roots.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Files without a path.
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // The user's keys, which all his processes share; the kernel's own insides.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // System V and POSIX queues: they have no path, and every process of the user can open them.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Not yet in the C library's headers; the numbers of newer calls are the same on all machines.
const SYS_FCHMODAT2: i64 = 452;
const SYS_SETXATTRAT: i64 = 463;
const SYS_REMOVEXATTRAT: i64 = 466;

#[cfg(target_arch = "x86_64")]
const ONLY_HERE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const ONLY_HERE: &[i64] = &[];

#[cfg(target_arch = "x86_64")]
const FORK: &[i64] = &[libc::SYS_fork, libc::SYS_vfork];
/// There are no such calls: everything is `clone`.
#[cfg(not(target_arch = "x86_64"))]
const FORK: &[i64] = &[];

/// Kernels may offer most calls of x86-64 a second time under the x32 ABI: same architecture to a filter, other numbers.
#[cfg(target_arch = "x86_64")]
pub(super) fn in_every_spelling(rules: Rules) -> Rules {
    const X32: i64 = 0x4000_0000;
    /// Calls whose x32 form has a number of its own; `Documentation` of the kernel: `syscall_64.tbl`.
    const OWN_NUMBER: [(i64, i64); 7] = [
        (libc::SYS_ptrace, 521),
        (libc::SYS_process_vm_readv, 539),
        (libc::SYS_process_vm_writev, 540),
        (libc::SYS_sendmsg, 518),
        (libc::SYS_sendmmsg, 538),
        (libc::SYS_rt_sigqueueinfo, 524),
        (libc::SYS_rt_tgsigqueueinfo, 536),
    ];
    let own = OWN_NUMBER.iter().filter_map(|(number, x32)| Some((*x32, rules.get(number)?.clone())));
    let own: Vec<_> = own.collect();
    let native = rules.into_iter().chain(own);
    native.flat_map(|(number, conditions)| [(number | X32, conditions.clone()), (number, conditions)]).collect()
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn in_every_spelling(rules: Rules) -> Rules {
    rules
}
