//! Sockets on this machine: the unix kind, and ports to be reached by.

use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};

use rustix::net::{AddressFamily, SocketType, socket};

use crate::attempt::Context;

pub(crate) fn path(context: &Context<'_>) -> io::Result<String> {
    UnixStream::connect(&context.targets.path_socket)?;
    Ok("connected".to_owned())
}

pub(crate) fn path_datagram(context: &Context<'_>) -> io::Result<String> {
    let (one, _other) = UnixDatagram::pair()?;
    one.send_to(b"out", &context.targets.path_datagrams)?;
    Ok("sent".to_owned())
}

pub(crate) fn abstract_name(context: &Context<'_>) -> io::Result<String> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(&context.targets.abstract_socket)?)?;
    Ok("connected".to_owned())
}

pub(crate) fn bind(_: &Context<'_>) -> io::Result<String> {
    TcpListener::bind("127.0.0.1:0")?;
    Ok("listening".to_owned())
}

pub(crate) fn listen(_: &Context<'_>) -> io::Result<String> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::listen(&socket, 1)?;
    let address = TcpListener::from(socket).local_addr()?;
    Ok(format!("listening on {}", address.ip()))
}
