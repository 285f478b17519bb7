//! A stand-in for Forgejo's API: answers by a function of the request and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it arrived: method and target, header lines in lower case, body.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// A listener on a port of its own; it lives as long as the test process.
pub(crate) struct Forgejo {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Forgejo {
    /// Knows the token `good`, the user alice and issue 1 of alice/demo.
    pub(crate) fn start() -> Self {
        Self::with(|request| {
            let known = request.headers.iter().any(|header| header == "authorization: token good");
            let anonymous = !request.headers.iter().any(|header| header.starts_with("authorization:"));
            if !known && !anonymous {
                return (401, r#"{"message":"user does not exist [uid: 0, name: ]","url":"x"}"#.into());
            }
            match request.line.as_str() {
                "GET /api/v1/version" => (200, r#"{"version":"11.0.15+gitea-1.22.0"}"#.into()),
                "GET /api/v1/user" => (200, r#"{"id":7,"login":"alice"}"#.into()),
                "GET /api/v1/repos/alice/demo/issues/1" => (200, r#"{"number":1,"title":"<b>&"}"#.into()),
                "POST /api/v1/repos/alice/demo/issues" => (201, request.body.clone()),
                "GET /api/v1/repos/alice/odd/issues/1" => (403, "plain text".into()),
                _ => (404, r#"{"message":"The target couldn't be found.","url":"x"}"#.into()),
            }
        })
    }

    pub(crate) fn with(answer: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { url, seen }
    }

    /// Accepts connections and never answers.
    pub(crate) fn mute() -> Self {
        Self::with(|_| {
            loop {
                thread::park();
            }
        })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.line).collect()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> (u16, String)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else {
                break;
            };
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.parse().unwrap();
            }
            headers.push(format!("{name}: {value}"));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let line = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
        let request = Seen { line, headers, body: String::from_utf8(body).unwrap() };
        kept.lock().unwrap().push(request.clone());
        let (status, text) = answer(&request);
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
        if stream.write_all(format!("{head}{text}").as_bytes()).is_err() {
            return;
        }
    }
}
