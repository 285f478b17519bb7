//! Other processes of the same user: what they know, and what can be done to them.

use std::fs::{self, File};
use std::io::{self, IoSliceMut};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, prlimit, test_kill_process};

use crate::attempt::Context;

pub(crate) fn broker_environ(context: &Context<'_>) -> io::Result<String> {
    environ(context.targets.broker)
}

pub(crate) fn broker_memory(context: &Context<'_>) -> io::Result<String> {
    open_memory(context.targets.broker)
}

pub(crate) fn broker_vm_read(context: &Context<'_>) -> io::Result<String> {
    vm_read(context.targets.broker)
}

pub(crate) fn broker_signal(context: &Context<'_>) -> io::Result<String> {
    signal(context.targets.broker)
}

/// The one limit that the broker has set to nothing itself.
pub(crate) fn broker_limits(context: &Context<'_>) -> io::Result<String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(Some(process(context.targets.broker)?), Resource::Core, none)?;
    Ok("set to what it was".to_owned())
}

pub(crate) fn worker_environ(context: &Context<'_>) -> io::Result<String> {
    environ(context.targets.worker)
}

pub(crate) fn worker_memory(context: &Context<'_>) -> io::Result<String> {
    open_memory(context.targets.worker)
}

pub(crate) fn worker_vm_read(context: &Context<'_>) -> io::Result<String> {
    vm_read(context.targets.worker)
}

pub(crate) fn worker_signal(context: &Context<'_>) -> io::Result<String> {
    signal(context.targets.worker)
}

pub(crate) fn worker_ptrace(context: &Context<'_>) -> io::Result<String> {
    let worker = Pid::from_raw(context.targets.worker);
    ptrace::attach(worker)?;
    // It has to have stopped before it can be let go.
    nix::sys::wait::waitpid(worker, None)?;
    ptrace::detach(worker, None)?;
    Ok("attached and detached".to_owned())
}

fn environ(process: i32) -> io::Result<String> {
    let bytes = fs::read(format!("/proc/{process}/environ"))?;
    Ok(format!("{} bytes", bytes.len()))
}

fn open_memory(process: i32) -> io::Result<String> {
    File::open(format!("/proc/{process}/mem"))?;
    Ok("opened".to_owned())
}

/// Nothing is at the lowest address: "bad address" means that it may look.
fn vm_read(process: i32) -> io::Result<String> {
    let mut byte = [0];
    let remote = [RemoteIoVec { base: 4096, len: 1 }];
    match process_vm_readv(Pid::from_raw(process), &mut [IoSliceMut::new(&mut byte)], &remote) {
        Ok(_) | Err(Errno::EFAULT) => Ok("it may look".to_owned()),
        Err(error) => Err(error.into()),
    }
}

/// Signal 0: only whether it may.
fn signal(target: i32) -> io::Result<String> {
    test_kill_process(process(target)?)?;
    Ok("it may".to_owned())
}

fn process(number: i32) -> io::Result<rustix::process::Pid> {
    rustix::process::Pid::from_raw(number).ok_or_else(|| io::Error::other("no process has that number"))
}
