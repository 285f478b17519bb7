//! A connection of an HTTP/1.1 client that does as little as possible: the load generator shares the machine with what it measures.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept-alive connection; one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// What came back, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    /// Whether the body is a stream of events.
    pub events: bool,
    /// The body without its framing.
    pub body: Bytes,
}

#[derive(Default)]
struct Head {
    status: u16,
    session: Option<String>,
    events: bool,
    chunked: bool,
    length: Option<usize>,
}

// === impl Connection ===

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(64 * 1024) })
    }

    /// Sends a request as it stands and reads the answer.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no HTTP.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await.context("the connection broke while sending")?;
        let head = loop {
            if let Some(head) = self.head()? {
                break head;
            }
            self.fill().await?;
        };
        let body = if head.chunked {
            self.chunks().await?
        } else if let Some(length) = head.length {
            self.exactly(length).await?
        } else if matches!(head.status, 202 | 204) {
            Bytes::new()
        } else {
            bail!("an answer without length");
        };
        Ok(Answer { status: head.status, session: head.session, events: head.events, body })
    }

    fn head(&mut self) -> Result<Option<Head>> {
        let mut headers = [httparse::EMPTY_HEADER; 48];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(end) = response.parse(&self.buffer).context("no HTTP")? else {
            return Ok(None);
        };
        let mut head = Head { status: response.code.context("no status")?, ..Head::default() };
        for header in response.headers.iter() {
            let value = || std::str::from_utf8(header.value).unwrap_or_default().trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                head.length = value().parse().ok();
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value().eq_ignore_ascii_case("chunked");
            } else if header.name.eq_ignore_ascii_case("content-type") {
                head.events = value().starts_with("text/event-stream");
            } else if header.name.eq_ignore_ascii_case("mcp-session-id") {
                head.session = Some(value().to_owned());
            }
        }
        self.buffer.advance(end);
        Ok(Some(head))
    }

    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(32 * 1024);
        ensure!(
            self.stream.read_buf(&mut self.buffer).await? > 0,
            "the connection was closed in the middle of an answer"
        );
        Ok(())
    }

    async fn exactly(&mut self, length: usize) -> Result<Bytes> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") else {
                self.fill().await?;
                continue;
            };
            let size =
                std::str::from_utf8(&self.buffer[..end])?.split(';').next().unwrap_or_default().trim().to_owned();
            let size = usize::from_str_radix(&size, 16).with_context(|| format!("no chunk size: {size:?}"))?;
            self.buffer.advance(end + 2);
            let chunk = self.exactly(size + 2).await?;
            if size == 0 {
                return Ok(body.freeze());
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

// === impl Answer ===

impl Answer {
    /// The JSON-RPC message in it: the body, or the data of the last event that has some.
    ///
    /// # Errors
    /// When there is none.
    pub fn message(&self) -> Result<&[u8]> {
        if !self.events {
            return Ok(&self.body);
        }
        let lines = self.body.split(|byte| *byte == b'\n');
        let mut data = lines
            .filter_map(|line| line.strip_prefix(b"data:"))
            .map(<[u8]>::trim_ascii)
            .filter(|data| !data.is_empty());
        data.next_back().context("a stream without a message")
    }
}
