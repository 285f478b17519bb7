//! HTTP/1.1 written by hand, so that a test can send what no client library would: dot segments, doubled slashes,
//! absolute-form targets, CONNECT, repeated headers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers are kept up to this size.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// One request exactly as it goes out. `Host`, `Connection` and `Content-Length` are added where they are missing.
#[derive(Debug, Clone)]
pub(crate) struct RawRequest {
    pub(crate) address: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

// === impl RawRequest ===

impl RawRequest {
    /// Sends the request and reads the answer to its end. The error is a sentence.
    pub(crate) async fn send(&self) -> Result<RawAnswer, String> {
        let mut stream =
            TcpStream::connect(&self.address).await.map_err(|error| format!("connect to {}: {error}", self.address))?;
        stream.write_all(&self.bytes()).await.map_err(|error| format!("write to {}: {error}", self.address))?;
        let mut answer = Vec::new();
        loop {
            if let Some(whole) = RawAnswer::parse(&answer, &self.method, false) {
                return Ok(whole);
            }
            let cut = match stream.read_buf(&mut answer).await {
                Ok(0) => "the end came early".to_owned(),
                Ok(_) if answer.len() > ANSWER_LIMIT => "too long".to_owned(),
                Ok(_) => continue,
                Err(error) => error.to_string(),
            };
            let rest = RawAnswer::parse(&answer, &self.method, true);
            return rest.ok_or_else(|| format!("no HTTP answer from {}: {cut}, {} bytes", self.address, answer.len()));
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut push = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if !self.has("host") {
            push("Host", &self.address);
        }
        for (name, value) in &self.headers {
            push(name, value);
        }
        if !self.has("connection") {
            push("Connection", "close");
        }
        if !self.body.is_empty() && !self.has("content-length") && !self.has("transfer-encoding") {
            push("Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }
}

// === impl RawAnswer ===

impl RawAnswer {
    /// Reads an answer; interim 1xx answers are skipped. Before the end of the stream (`ended`) None means that more
    /// must come; after it a cut body counts as it is.
    fn parse(bytes: &[u8], method: &str, ended: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let rest = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) && status != 101 {
            return Self::parse(rest, method, ended);
        }
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let length = value("content-length").and_then(|length| length.parse::<usize>().ok());
        let body = if method == "HEAD" || matches!(status, 204 | 304) {
            Vec::new()
        } else if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let (body, complete) = unchunk(rest);
            (complete || ended).then_some(body)?
        } else if let Some(length) = length {
            let body = rest[..length.min(rest.len())].to_vec();
            (body.len() == length || ended).then_some(body)?
        } else {
            ended.then(|| rest.to_vec())?
        };
        Some(Self { status, headers, body })
    }
}

/// The joined chunks, and whether the last one was there.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]);
        let digits = head.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(digits, 16) else {
            break;
        };
        if size == 0 {
            return (body, true);
        }
        let start = end + 2;
        let stop = start.saturating_add(size).min(bytes.len());
        body.extend_from_slice(&bytes[start..stop]);
        if stop + 2 > bytes.len() {
            break;
        }
        bytes = &bytes[stop + 2..];
    }
    (body, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_goes_out_as_it_was_given() {
        let request = RawRequest {
            address: "127.0.0.1:9".into(),
            method: "GET".into(),
            target: "/api/v1/repos/a//b/../%70riv".into(),
            headers: vec![("Sudo".into(), "root".into()), ("Sudo".into(), "alice".into())],
            body: b"x".to_vec(),
        };
        assert_eq!(
            String::from_utf8(request.bytes()).unwrap(),
            "GET /api/v1/repos/a//b/../%70riv HTTP/1.1\r\nHost: 127.0.0.1:9\r\nSudo: root\r\nSudo: alice\r\n\
             Connection: close\r\nContent-Length: 1\r\n\r\nx"
        );
    }

    #[test]
    fn a_chunked_answer_is_put_together() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(RawAnswer::parse(answer, "GET", false).unwrap().body, b"abcde");
    }

    #[test]
    fn an_interim_answer_is_skipped() {
        let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nnoXX";
        let parsed = RawAnswer::parse(answer, "GET", false).unwrap();
        assert_eq!((parsed.status, parsed.body.as_slice()), (403, b"no".as_slice()));
    }

    #[test]
    fn a_cut_head_is_no_answer() {
        assert_eq!(RawAnswer::parse(b"HTTP/1.1 200 OK\r\nA: b\r\n", "GET", true), None);
    }

    #[test]
    fn a_cut_body_counts_only_at_the_end_of_the_stream() {
        for cut in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nabc",
        ] {
            assert_eq!(RawAnswer::parse(cut, "GET", false), None);
            assert_eq!(RawAnswer::parse(cut, "GET", true).unwrap().body, b"abc");
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(RawAnswer::parse(answer, "HEAD", false).unwrap().body, b"");
    }
}
