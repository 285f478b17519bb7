//! What a program needs to run at all: its own file, whatever interprets or loads it, and the system's libraries.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::domain::{Allowed, Right};

/// Where libraries, modules, certificates and time zones are, on the distributions we know. What is missing is passed over.
const SYSTEM: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    // Sizes that runtimes choose themselves by.
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
    "/proc/meminfo",
    "/proc/cpuinfo",
];

/// An interpreter may name an interpreter, and so on; the kernel follows no further either.
const DEEPEST: usize = 5;
/// As much as the kernel looks at of a file that it is to execute.
const HEAD: usize = 256;

/// All that the program at this path may use, `extra` besides. `search` is the PATH that it will have.
pub(crate) fn allowed(program: &Path, extra: &[PathBuf], search: Option<&OsStr>) -> Vec<Allowed> {
    let executed = chain(program, search).into_iter().chain(extra.iter().cloned());
    let mut allowed: Vec<Allowed> = executed.map(|path| Allowed { path, right: Right::Execute }).collect();
    allowed.extend(SYSTEM.iter().map(|path| Allowed { path: path.into(), right: Right::Read }));
    allowed.push(Allowed { path: "/dev/null".into(), right: Right::Discard });
    allowed
}

/// The program, its interpreter, that one's loader. What can't be read is left to the exec to complain about.
fn chain(program: &Path, search: Option<&OsStr>) -> Vec<PathBuf> {
    let mut files = vec![program.to_path_buf()];
    let mut next = 0;
    while let Some(file) = files.get(next).cloned() {
        if files.len() > DEEPEST {
            break;
        }
        for path in named_by(&file, search) {
            if !files.contains(&path) {
                files.push(path);
            }
        }
        next += 1;
    }
    files
}

/// The files that the head of this one names.
fn named_by(path: &Path, search: Option<&OsStr>) -> Vec<PathBuf> {
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    let mut head = [0; HEAD];
    let length = read_head(&mut file, &mut head);
    let head = &head[..length];
    match head.strip_prefix(b"#!") {
        Some(line) => interpreters(line, search),
        None => loader(&file, head).into_iter().collect(),
    }
}

fn read_head(file: &mut File, head: &mut [u8]) -> usize {
    let mut length = 0;
    while let Some(rest) = head.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    length
}

/// `#!/usr/bin/env -S node --flag`: env, and node as env will find it.
fn interpreters(line: &[u8], search: Option<&OsStr>) -> Vec<PathBuf> {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(OsStr::from_bytes);
    let Some(interpreter) = words.next().map(PathBuf::from) else {
        return Vec::new();
    };
    let sought = if interpreter.file_name() == Some(OsStr::new("env")) {
        words.find(|word| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'='))
    } else {
        None
    };
    let directories = search.map(|search| std::env::split_paths(search).collect::<Vec<_>>()).unwrap_or_default();
    let found =
        sought.and_then(|name| directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file()));
    [Some(interpreter), found].into_iter().flatten().collect()
}

/// The dynamic loader of an ELF file (elf(5), `PT_INTERP`); `None` for a static one.
fn loader(file: &File, head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u64 = 3;
    /// 64 bits, little endian.
    const IDENT: &[u8] = b"\x7fELF\x02\x01";
    if !head.starts_with(IDENT) {
        return None;
    }
    let (table, entry_size, entries) = (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?);
    for index in 0..entries {
        let mut entry = [0; 56];
        file.read_exact_at(&mut entry, table.checked_add(index * entry_size)?).ok()?;
        if number(&entry, 0, 4)? == PT_INTERP {
            let (offset, size) = (number(&entry, 8, 8)?, number(&entry, 32, 8)?);
            let mut path = vec![0; usize::try_from(size).ok().filter(|size| *size <= 4096)?];
            file.read_exact_at(&mut path, offset).ok()?;
            path.truncate(path.iter().position(|byte| *byte == 0)?);
            return Some(OsString::from_vec(path).into());
        }
    }
    None
}

/// A little-endian number of that many bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at + size)?;
    Some(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests;
