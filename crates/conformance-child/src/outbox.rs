//! The way to stdout: one writer, so that lines never mix.

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const WAITING_LINES: usize = 256;

/// Where messages go. Lines leave in the order in which they were put here.
#[derive(Clone)]
pub(crate) struct Outbox(mpsc::Sender<Value>);

// === impl Outbox ===

impl Outbox {
    /// Starts the writer. It ends when every outbox is gone and everything is written, or when nobody reads any more.
    pub(crate) fn open() -> (Self, JoinHandle<std::io::Result<()>>) {
        let (sender, mut lines) = mpsc::channel::<Value>(WAITING_LINES);
        let writer = tokio::spawn(async move {
            let mut stdout = tokio::io::stdout();
            while let Some(message) = lines.recv().await {
                let mut line = message.to_string();
                line.push('\n');
                stdout.write_all(line.as_bytes()).await?;
                stdout.flush().await?;
            }
            Ok(())
        });
        (Self(sender), writer)
    }

    /// Writes one message. If nobody reads any more there is nobody to tell.
    pub(crate) async fn send(&self, message: Value) {
        let _ = self.0.send(message).await;
    }

    /// The same from where nothing can wait; a full outbox loses the message.
    pub(crate) fn send_if_room(&self, message: Value) {
        let _ = self.0.try_send(message);
    }
}
