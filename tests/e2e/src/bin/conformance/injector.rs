//! A loopback proxy that adds a bearer token and changes nothing else.
//!
//! Each connection carries one request, so that only its head has to be read; Host, Origin and whatever else the suite sends arrive as
//! they are, and when either side goes away the other one notices (T25).

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const LONGEST_HEAD: usize = 64 * 1024;

/// A running proxy; it ends when this is dropped.
pub(crate) struct Injector {
    task: JoinHandle<()>,
}

// === impl Injector ===

impl Injector {
    /// Starts it on `listener`, in front of `target`.
    pub(crate) fn start(listener: TcpListener, target: SocketAddr, token: &str) -> Self {
        let added: Arc<str> = format!("authorization: Bearer {token}\r\nconnection: close\r\n\r\n").into();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let added = Arc::clone(&added);
                // What goes wrong on one connection is seen by the suite at its end of it.
                tokio::spawn(async move { relay(client, target, &added).await });
            }
        });
        Self { task }
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut client: TcpStream, target: SocketAddr, added: &str) -> Result<()> {
    let (head, rest) = read_head(&mut client).await?;
    let mut upstream = TcpStream::connect(target).await.context("the broker does not listen")?;
    upstream.write_all(&[with_token(&head, added).as_bytes(), &rest].concat()).await?;
    let (from_client, mut to_client) = client.split();
    let (mut from_upstream, to_upstream) = upstream.split();
    tokio::select! {
        gone = pass_until_gone(from_client, to_upstream) => gone,
        copied = copy(&mut from_upstream, &mut to_client) => copied.map(|_| ()).context("the answer was cut off"),
    }
}

/// Passes the body on until the client goes away. A broker that takes no more of it may still be answering.
async fn pass_until_gone(mut from_client: ReadHalf<'_>, mut to_upstream: WriteHalf<'_>) -> Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    let mut is_taken = true;
    loop {
        let count = from_client.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        is_taken = is_taken && to_upstream.write_all(&bytes[..count]).await.is_ok();
    }
}

/// The head without its empty line, and what of the body came with it.
async fn read_head(client: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        ensure!(client.read_buf(&mut bytes).await? > 0, "the client left before it had asked for anything");
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end + 2);
            return Ok((String::from_utf8(bytes).context("a head that is not UTF-8")?, rest));
        }
        ensure!(bytes.len() < LONGEST_HEAD, "a head of more than {LONGEST_HEAD} bytes");
    }
}

fn with_token(head: &str, added: &str) -> String {
    let replaced = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        ["authorization", "connection", "keep-alive"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let mut lines: String = head.split_inclusive("\r\n").filter(|line| !replaced(line)).collect();
    lines.push_str(added);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_and_the_connection_are_changed() {
        let head = "POST /mcp HTTP/1.1\r\nHost: evil.example.com\r\nMcp-Name:   x  \r\nConnection: keep-alive\r\nauthorization: Basic x\r\n";
        let sent = with_token(head, "authorization: Bearer t\r\n\r\n");
        assert_eq!(
            sent,
            "POST /mcp HTTP/1.1\r\nHost: evil.example.com\r\nMcp-Name:   x  \r\nauthorization: Bearer t\r\n\r\n"
        );
    }
}
