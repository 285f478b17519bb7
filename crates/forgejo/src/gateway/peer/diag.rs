//! The owner of one socket, asked of the kernel by the socket's addresses (`sock_diag(7)`).
//!
//! The table in `/proc` is read to its end for one row, and the kernel walks all its connections for it: tens of milliseconds on a machine
//! with many of them.

use std::net::SocketAddrV4;

use rustix::{
    io,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{SOCK_DIAG, SocketAddrNetlink},
        recv, sendto, socket_with,
    },
};

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` of `linux/netlink.h`.
const REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
/// `struct nlmsghdr`, and `struct inet_diag_req_v2` behind it.
const QUESTION: usize = 16 + 56;
/// Where `struct inet_diag_msg` has the user id and the inode, behind the header.
const UID: usize = 16 + 64;
const INODE: usize = 16 + 68;

/// Both ends' user ids: that of the socket on `own`, and that of the one on `peer`. `None` if the kernel does not tell both.
pub(super) fn owners(own: SocketAddrV4, peer: SocketAddrV4) -> Option<(u32, u32)> {
    let both = || {
        let kernel = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
        let ask = |local, remote| -> io::Result<Option<u32>> {
            sendto(&kernel, &question(local, remote), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
            let mut answer = [0; 1024];
            let (length, _) = recv(&kernel, &mut answer, RecvFlags::DONTWAIT)?;
            Ok(owner(answer.get(..length).unwrap_or_default()))
        };
        Ok::<_, io::Errno>((ask(own, peer)?, ask(peer, own)?))
    };
    let (own, peer) = both().ok()?;
    own.zip(peer)
}

fn question(local: SocketAddrV4, remote: SocketAddrV4) -> [u8; QUESTION] {
    let mut question = [0; QUESTION];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = question.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        at += bytes.len();
    };
    put(&72_u32.to_ne_bytes());
    put(&BY_FAMILY.to_ne_bytes());
    put(&REQUEST.to_ne_bytes());
    // Sequence and sender: one question at a time, and only one who asks.
    put(&[0; 8]);
    // No extensions; in whatever state.
    put(&[AF_INET, IPPROTO_TCP, 0, 0]);
    put(&u32::MAX.to_ne_bytes());
    put(&local.port().to_be_bytes());
    put(&remote.port().to_be_bytes());
    put(&local.ip().octets());
    put(&[0; 12]);
    put(&remote.ip().octets());
    put(&[0; 12]);
    // Any interface; `INET_DIAG_NOCOOKIE`.
    put(&[0; 4]);
    put(&[u8::MAX; 8]);
    question
}

/// The user id in an answer; `None` for an error, and for a socket that no process holds any more.
fn owner(answer: &[u8]) -> Option<u32> {
    let word = |at: usize| answer.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let kind = answer.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)?;
    (kind == BY_FAMILY && word(INODE)? != 0).then(|| word(UID))?
}
