use nix::libc;

use super::*;

const ALLOWED: u32 = 0x7fff_0000;

/// What the kernel would answer: runs each program (bpf(4), the part that filters use), of which the strictest answer holds.
fn answer(may_fork: bool, number: i64, args: [u64; 6]) -> Result<(), i32> {
    for program in programs(may_fork).unwrap() {
        let outcome = run(&program, &data(number, args));
        if outcome != ALLOWED {
            assert_eq!(outcome >> 16, 5, "an error number and not a signal");
            return Err(i32::try_from(outcome & 0xffff).unwrap());
        }
    }
    Ok(())
}

/// `struct seccomp_data`
fn data(number: i64, args: [u64; 6]) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(u32::try_from(number).unwrap().to_ne_bytes());
    let architecture: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
    data.extend(architecture.to_ne_bytes());
    data.extend([0; 8]);
    data.extend(args.into_iter().flat_map(u64::to_ne_bytes));
    data
}

fn run(program: &[seccompiler::sock_filter], data: &[u8]) -> u32 {
    let (mut at, mut value) = (0_usize, 0_u32);
    loop {
        let step = &program[at];
        let k = usize::try_from(step.k).unwrap();
        at += 1;
        let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
        match step.code {
            0x20 => value = u32::from_ne_bytes(data[k..k + 4].try_into().unwrap()),
            0x54 => value &= step.k,
            0x05 => at += k,
            0x15 => at += jump(value == step.k),
            0x25 => at += jump(value > step.k),
            0x35 => at += jump(value >= step.k),
            0x06 => return step.k,
            other => panic!("instruction {other:#x} is unknown to this test"),
        }
    }
}

fn unsigned(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<(), i32> {
    answer(false, libc::SYS_socket, [unsigned(family), unsigned(kind), unsigned(protocol), 0, 0, 0])
}

const REFUSED: Result<(), i32> = Err(libc::EPERM);

#[test]
fn the_only_socket_is_a_tcp_one() {
    let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for protocol in [0, libc::IPPROTO_TCP] {
            assert_eq!(socket(family, flags, protocol), Ok(()));
            for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_SEQPACKET, libc::SOCK_DCCP, 0, 15] {
                assert_eq!(socket(family, kind, protocol), REFUSED, "{kind}");
            }
        }
        for protocol in [libc::IPPROTO_MPTCP, libc::IPPROTO_SCTP, libc::IPPROTO_UDP, 256, -1] {
            assert_eq!(socket(family, libc::SOCK_STREAM, protocol), REFUSED, "{protocol}");
        }
    }
    for family in (0..64).filter(|family| ![libc::AF_INET, libc::AF_INET6].contains(family)) {
        assert_eq!(socket(family, libc::SOCK_STREAM, 0), REFUSED, "{family}");
    }
}

#[test]
fn the_upper_half_of_an_argument_does_not_count_as_it_does_not_for_the_kernel() {
    let args = [1 << 32 | unsigned(libc::AF_UNIX), 1 << 32 | 1, 1 << 32, 0, 0, 0];
    assert_eq!(answer(false, libc::SYS_socket, args), REFUSED);
    let args = [1 << 32 | unsigned(libc::AF_INET), 1 << 32 | 1, 1 << 32, 0, 0, 0];
    assert_eq!(answer(false, libc::SYS_socket, args), Ok(()));
}

#[test]
fn a_pair_of_streams_can_be_had_and_one_of_datagrams_cannot() {
    let pair = |family, kind| answer(false, libc::SYS_socketpair, [unsigned(family), unsigned(kind), 0, 0, 0, 0]);
    assert_eq!(pair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC), Ok(()));
    assert_eq!(pair(libc::AF_UNIX, libc::SOCK_DGRAM), REFUSED);
    assert_eq!(pair(libc::AF_TIPC, libc::SOCK_STREAM), REFUSED);
}

#[test]
fn data_may_not_travel_in_the_packet_that_connects() {
    let fast = unsigned(libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL);
    let plain = unsigned(libc::MSG_NOSIGNAL);
    for (number, position) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        let with = |flags| {
            let mut args = [9; 6];
            args[position] = flags;
            answer(false, number, args)
        };
        assert_eq!((with(fast), with(plain)), (REFUSED, Ok(())), "{number}");
    }
}

#[test]
fn a_worker_may_start_threads_and_only_one_that_may_fork_processes() {
    let thread = unsigned(libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND);
    let spawn = unsigned(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD);
    let clone = |may_fork, flags| answer(may_fork, libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
    assert_eq!([clone(false, thread), clone(true, thread)], [Ok(()); 2]);
    assert_eq!([clone(false, spawn), clone(true, spawn)], [REFUSED, Ok(())]);
    for namespace in [libc::CLONE_NEWUSER, libc::CLONE_NEWNET, libc::CLONE_NEWPID] {
        let flags = unsigned(namespace) | spawn;
        assert_eq!([clone(false, flags), clone(true, flags)], [REFUSED; 2]);
    }
    assert_eq!(answer(true, libc::SYS_clone3, [0; 6]), Err(libc::ENOSYS));
    assert_eq!(answer(true, libc::SYS_setsid, [0; 6]), Ok(()));
    assert_eq!(answer(false, libc::SYS_setsid, [0; 6]), REFUSED);
}

#[test]
fn a_worker_may_signal_and_limit_itself_only() {
    let own = u64::from(std::process::id());
    for number in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_prlimit64, libc::SYS_sched_setaffinity] {
        let to = |process| answer(false, number, [process, 15, 0, 0, 0, 0]);
        assert_eq!([to(0), to(own), to(own + 1)], [Ok(()), Ok(()), REFUSED], "{number}");
        assert_eq!(to(unsigned(-1)), REFUSED, "everybody");
    }
    assert_eq!(answer(true, libc::SYS_kill, [own + 1, 15, 0, 0, 0, 0]), Ok(()), "its children");
    assert_eq!(answer(true, libc::SYS_prlimit64, [own + 1, 15, 0, 0, 0, 0]), REFUSED);
    let nice = |which, who| answer(false, libc::SYS_setpriority, [which, who, 0, 0, 0, 0]);
    assert_eq!([nice(0, 0), nice(0, own + 1), nice(2, 0)], [Ok(()), REFUSED, REFUSED]);
}

#[test]
fn what_no_worker_needs_is_refused_whatever_the_profile_says() {
    for may_fork in [false, true] {
        for number in table::never() {
            assert_eq!(answer(may_fork, number, [0; 6]), REFUSED, "{number}");
        }
        for number in [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register] {
            assert_eq!(answer(may_fork, number, [0; 6]), Err(libc::ENOSYS));
        }
        for number in [libc::SYS_execve, libc::SYS_read, libc::SYS_openat, libc::SYS_connect, libc::SYS_futex] {
            assert_eq!(answer(may_fork, number, [0; 6]), Ok(()), "{number}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_second_numbering_of_this_machine_is_no_way_around() {
    const X32: i64 = 0x4000_0000;
    assert_eq!(answer(false, libc::SYS_socket | X32, [unsigned(libc::AF_UNIX), 1, 0, 0, 0, 0]), REFUSED);
    assert_eq!(answer(false, libc::SYS_listen | X32, [0; 6]), REFUSED);
    for number in [521, 521 | X32, 539 | X32] {
        assert_eq!(answer(false, number, [0; 6]), REFUSED, "{number}");
    }
    assert_eq!(answer(false, 518 | X32, [3, 0, unsigned(libc::MSG_FASTOPEN), 0, 0, 0]), REFUSED);
}
