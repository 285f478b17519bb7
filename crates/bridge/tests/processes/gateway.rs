//! What stands for the gateway: HTTP with the answers that programs ask for at their start.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bridge::spawn::GatewayListeners;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Serves any number of listeners and counts them and the requests.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    open: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// Ends the serving of one listener.
struct Adopted {
    task: JoinHandle<()>,
    open: Arc<AtomicUsize>,
}

// === impl Gateway ===

impl Gateway {
    /// The gateway's own listener; its URL, and what keeps it open.
    pub(crate) fn bind(&self) -> (String, Box<dyn Send + Sync>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (url, self.adopt(listener).unwrap())
    }

    /// Listeners that are served.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Requests that were answered.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl GatewayListeners for Gateway {
    fn adopt(&self, listener: TcpListener) -> io::Result<Box<dyn Send + Sync>> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let requests = Arc::clone(&self.requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let requests = Arc::clone(&requests);
                tokio::spawn(async move {
                    // A client that breaks off is its own business.
                    let _ = serve(stream, &requests).await;
                });
            }
        });
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Adopted { task, open: Arc::clone(&self.open) }))
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        self.task.abort();
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(stream: TcpStream, requests: &AtomicUsize) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut target = String::new();
        if stream.read_line(&mut target).await? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while !matches!(header.as_str(), "\r\n" | "\n") {
            header.clear();
            if stream.read_line(&mut header).await? == 0 {
                return Ok(());
            }
        }
        requests.fetch_add(1, Ordering::SeqCst);
        let body = match target.split(' ').nth(1).unwrap_or_default() {
            "/api/v1/version" => r#"{"version":"11.0.15+gitea-1.22.0"}"#,
            "/api/v1/user" => r#"{"id":7,"login":"alice","full_name":"Alice","email":"alice@forge.example"}"#,
            _ => "[]",
        };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.flush().await?;
    }
}
