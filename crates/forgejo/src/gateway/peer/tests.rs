use super::*;

const OWN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080);
const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 40000);

#[cfg(target_endian = "little")]
fn table(peer_uid: u32, inode: u64) -> String {
    format!(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
         \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0\n\
         \x20  1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 4 0 10 -1\n\
         \x20  2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  {peer_uid}        0 {inode} 1 0 20 4 0 10 -1\n"
    )
}

#[cfg(target_endian = "little")]
#[test]
fn the_peers_owner_is_read_from_the_kernels_table() {
    assert_eq!(foreign_in(&[&table(1000, 13)], OWN, PEER).unwrap().foreign(), None);
    assert_eq!(foreign_in(&[&table(33, 13)], OWN, PEER).unwrap().foreign(), Some(33));
}

#[cfg(target_endian = "little")]
#[test]
fn a_socket_that_nobody_holds_tells_nothing() {
    assert_eq!(foreign_in(&[&table(0, 0)], OWN, PEER), None);
}

#[cfg(target_endian = "little")]
#[test]
fn a_peer_on_an_ipv6_socket_is_found_too() {
    let listening = table(1000, 0);
    let v6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
              \x20  0: 0000000000000000FFFF00000100007F:9C40 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 14 1 0 20 4 0 10 -1\n";
    assert_eq!(foreign_in(&[&listening, v6], OWN, PEER).unwrap().foreign(), Some(33));
}

#[test]
fn junk_in_the_table_is_passed_over() {
    assert_eq!(foreign_in(&["", "x\ny\n", "h\n 0: 0:0 0:0\n 1: zz:1 00000000:0000 0A a b c 1 0 1\n"], OWN, PEER), None);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_of_our_own_is_not_foreign() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let own = listener.local_addr().unwrap();
    let _client = tokio::net::TcpStream::connect(own).await.unwrap();
    let (_stream, peer) = listener.accept().await.unwrap();
    assert_eq!(foreign_uid(own, peer).await, None);
    let uid = rustix::process::geteuid().as_raw();
    let (SocketAddr::V4(own), SocketAddr::V4(peer)) = (own, peer) else { panic!() };
    let read = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
    assert!(foreign_in(&[&read], own, peer).is_some(), "the kernel's table must have been understood");
    // Where the kernel answers single questions, it says the same; a connection that is not there has no owner.
    if let Some(owners) = diag::owners(own, peer) {
        assert_eq!(owners, (uid, uid));
        assert_eq!(diag::owners(own, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1)), None);
        assert_eq!(diag::owners(peer, own), Some((uid, uid)));
    }
}

/// Only root can be somebody else.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_of_another_user_is_foreign() {
    use std::{os::unix::process::CommandExt as _, process::Command};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let own = listener.local_addr().unwrap();
    let connects = format!("exec 3<>/dev/tcp/127.0.0.1/{}; read -r <&3", own.port());
    let mut other = Command::new("bash").args(["-c", &connects]).uid(65534).current_dir("/").spawn().unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    assert_eq!(foreign_uid(own, peer).await, Some(65534));
    let (SocketAddr::V4(own), SocketAddr::V4(peer)) = (own, peer) else { panic!() };
    let read = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
    assert_eq!(foreign_in(&[&read], own, peer).unwrap().foreign(), Some(65534));
    drop(stream);
    other.wait().unwrap();
}
