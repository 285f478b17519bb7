//! The broker's files, and everybody's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};

use crate::attempt::Context;

pub(crate) fn read_store(context: &Context<'_>) -> io::Result<String> {
    let mut text = Vec::new();
    File::open(&context.targets.store)?.read_to_end(&mut text)?;
    Ok(format!("{} bytes", text.len()))
}

pub(crate) fn write_store(context: &Context<'_>) -> io::Result<String> {
    OpenOptions::new().append(true).open(&context.targets.store)?;
    Ok("opened for writing".to_owned())
}

pub(crate) fn chmod_store(context: &Context<'_>) -> io::Result<String> {
    let mode = fs::metadata(&context.targets.store)?.permissions();
    fs::set_permissions(&context.targets.store, mode)?;
    Ok("set to what it was".to_owned())
}

pub(crate) fn truncate_store(context: &Context<'_>) -> io::Result<String> {
    let length = fs::metadata(&context.targets.store)?.len();
    nix::unistd::truncate(&context.targets.store, i64::try_from(length).unwrap_or(i64::MAX))?;
    Ok("set to what it was".to_owned())
}

pub(crate) fn list_root(_: &Context<'_>) -> io::Result<String> {
    Ok(format!("{} entries", fs::read_dir("/")?.count()))
}

pub(crate) fn write_tmp(_: &Context<'_>) -> io::Result<String> {
    let path = format!("/tmp/hostile-child-{}", std::process::id());
    File::create(&path)?;
    fs::remove_file(path)?;
    Ok("created and removed".to_owned())
}
