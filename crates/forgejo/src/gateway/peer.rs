//! Whose process is at the other end of a loopback connection, where the kernel tells.
//!
//! Linux tells the owner of a TCP socket of the network namespace to whoever asks by its addresses (`diag`). Where it does not, because the
//! kernel was built without that or a container forbids it, its list of all sockets is read: `/proc/net/tcp` (and `tcp6`, for IPv4 through
//! an IPv6 socket). The peer's row is the one whose local address is the peer's and whose remote address is ours. Our own
//! user id is asked for in the same way, so that both are seen through the same user namespace. What can't
//! be read or found is let through: the capability is the lock, this is a second one.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

mod diag;

/// A socket's row in `/proc/net/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    local: SocketAddrV4,
    remote: SocketAddrV4,
    uid: u32,
    /// Zero for a socket that no process holds any more.
    inode: u64,
}

/// The user id of the peer's process, if the kernel tells that it is not ours.
pub(super) async fn foreign_uid(own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    let (SocketAddr::V4(own), SocketAddr::V4(peer)) = (own, peer) else {
        return None;
    };
    if let Some((own, peer)) = diag::owners(own, peer) {
        return Owners { own, peer }.foreign();
    }
    let v4 = tokio::fs::read_to_string("/proc/net/tcp").await.ok()?;
    if let Some(found) = foreign_in(&[&v4], own, peer) {
        return found.foreign();
    }
    let v6 = tokio::fs::read_to_string("/proc/net/tcp6").await.ok()?;
    foreign_in(&[&v4, &v6], own, peer)?.foreign()
}

/// Both sides' user ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owners {
    own: u32,
    peer: u32,
}

// === impl Owners ===

impl Owners {
    fn foreign(self) -> Option<u32> {
        (self.own != self.peer).then_some(self.peer)
    }
}

fn foreign_in(tables: &[&str], own: SocketAddrV4, peer: SocketAddrV4) -> Option<Owners> {
    let rows = || tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(row).filter(|row| row.inode != 0);
    let listening = rows().find(|row| row.local == own && row.remote.port() == 0)?;
    let connected = rows().find(|row| row.local == peer && row.remote == own)?;
    Some(Owners { own: listening.uid, peer: connected.uid })
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    // state, queues, timer, retransmits
    let mut fields = fields.skip(4);
    let uid = fields.next()?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Row { local, remote, uid, inode })
}

/// `0100007F:1F90`, or an IPv4-mapped address of 32 digits; words are in the machine's byte order.
fn address(text: &str) -> Option<SocketAddrV4> {
    let (address, port) = text.split_once(':')?;
    let word = match address.len() {
        8 => address,
        32 if address.get(..24)?.eq_ignore_ascii_case(&mapped_prefix()) => address.get(24..)?,
        // Rows of the listening kind have an unspecified remote address in either family.
        32 if address.bytes().all(|digit| digit == b'0') => address.get(24..)?,
        _ => return None,
    };
    let address = Ipv4Addr::from(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    Some(SocketAddrV4::new(address, u16::from_str_radix(port, 16).ok()?))
}

fn mapped_prefix() -> String {
    format!("{:016X}{:08X}", 0, u32::from_ne_bytes([0, 0, 0xFF, 0xFF]))
}

#[cfg(test)]
mod tests;
