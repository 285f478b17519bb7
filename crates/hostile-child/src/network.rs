//! Ways out over the network.

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, connect, sendto, socket, socket_with};

use crate::attempt::Context;

/// `IPPROTO_MPTCP` of linux/in.h
const MPTCP: u32 = 262;
/// `MSG_FASTOPEN` of linux/socket.h
const FAST_OPEN: u32 = 0x2000_0000;
/// Nothing that is tried is farther away than this machine.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn gateway(context: &Context<'_>) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&context.targets.gateway, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /api/v1/version HTTP/1.1\r\nHost: gateway\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(crate) fn tcp(context: &Context<'_>) -> io::Result<String> {
    connected(&TcpStream::connect_timeout(&context.targets.tcp, PATIENCE)?)
}

/// Nothing has to listen: being told so by the other side is a way out too.
pub(crate) fn tcp6(context: &Context<'_>) -> io::Result<String> {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, context.targets.tcp.port()));
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !apart(context) => {
            Ok("nobody listens there".to_owned())
        }
        other => connected(&other?),
    }
}

pub(crate) fn same_port(context: &Context<'_>) -> io::Result<String> {
    connected(&TcpStream::connect_timeout(&context.targets.same_port, PATIENCE)?)
}

pub(crate) fn udp(context: &Context<'_>) -> io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(context.targets.udp)?;
    socket.send(b"out")?;
    // Where nobody takes it, the second one is told of the first.
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.recv(&mut [0; 8])?;
    Ok("sent and answered".to_owned())
}

pub(crate) fn mptcp(context: &Context<'_>) -> io::Result<String> {
    let protocol = NonZeroU32::new(MPTCP).map(Protocol::from_raw);
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, protocol)?;
    connect(&socket, &context.targets.tcp)?;
    connected(&TcpStream::from(socket))
}

pub(crate) fn fast_open(context: &Context<'_>) -> io::Result<String> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sendto(&socket, b"out", SendFlags::from_bits_retain(FAST_OPEN), &context.targets.tcp)?;
    connected(&TcpStream::from(socket))
}

pub(crate) fn netlink(_: &Context<'_>) -> io::Result<String> {
    socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    Ok("socket made".to_owned())
}

fn connected(stream: &TcpStream) -> io::Result<String> {
    Ok(format!("connected to {}", stream.peer_addr()?.ip()))
}

/// Whether nothing at all can be reached but the gateway: then a refusal comes from the own network.
fn apart(context: &Context<'_>) -> bool {
    TcpStream::connect_timeout(&context.targets.tcp, PATIENCE)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
