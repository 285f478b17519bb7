//! The web server of a client's makers: client metadata documents and keys at `https://localhost:PORT`, under a certificate authority made
//! for the test, well-behaved or not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A running server. It ends with the test's runtime.
pub struct DocumentServer {
    /// Its origin, `https://localhost:PORT`.
    pub origin: String,
    answers: Arc<Mutex<Answers>>,
    folder: TempDir,
}

/// What is answered at a path.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A JSON document.
    Json(Value),
    /// A status, and a body of a type.
    Raw(u16, &'static str, String),
    /// A redirect.
    Redirect(String),
    /// A body that does not say how long it is, and goes on.
    Endless,
    /// Nothing, ever.
    Silence,
}

#[derive(Default)]
struct Answers {
    by_path: HashMap<String, Answer>,
    asked: HashMap<String, usize>,
    methods: Vec<String>,
}

// === impl DocumentServer ===

impl DocumentServer {
    /// Starts a server that knows no path.
    ///
    /// # Errors
    /// When no certificate can be made, or nothing listened on.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("no folder for a certificate")?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        std::fs::write(folder.path().join("ca.pem"), authority.pem())?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &authority)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("https://localhost:{}", listener.local_addr()?.port());
        let answers = Arc::<Mutex<Answers>>::default();
        let shared = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // A connection that fails is the caller's to notice.
                tokio::spawn(serve(acceptor.clone(), connection, Arc::clone(&shared)));
            }
        });
        Ok(Self { origin, answers, folder })
    }

    /// The certificate of the authority, for `extra-ca-file`.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        Path::join(self.folder.path(), "ca.pem")
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Answers `path` in this way from now on.
    pub fn put(&self, path: &str, answer: Answer) {
        self.answers.lock().by_path.insert(path.to_owned(), answer);
    }

    /// The same, for the address of the path.
    #[must_use]
    pub fn published(&self, path: &str, answer: Answer) -> String {
        self.put(path, answer);
        self.url(path)
    }

    /// Answers `path` with a document of a client whose id is its address, changed by `change`.
    pub fn client(&self, path: &str, redirect_uri: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut document = serde_json::json!({
            "client_id": self.url(path), "client_name": "Documented", "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        change(&mut document);
        self.published(path, Answer::Json(document))
    }

    /// How often `path` was asked for.
    #[must_use]
    pub fn asked(&self, path: &str) -> usize {
        self.answers.lock().asked.get(path).copied().unwrap_or_default()
    }

    /// The methods of all requests, in their order.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        self.answers.lock().methods.clone()
    }
}

async fn serve(acceptor: TlsAcceptor, connection: TcpStream, answers: Arc<Mutex<Answers>>) -> Option<()> {
    let mut stream = acceptor.accept(connection).await.ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > 16 * 1024 || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let answer = {
        let mut answers = answers.lock();
        answers.methods.push(method);
        *answers.asked.entry(path.clone()).or_default() += 1;
        answers.by_path.get(&path).cloned()
    };
    let response = match answer.unwrap_or_else(|| Answer::Raw(404, "text/plain", "not here".to_owned())) {
        Answer::Json(document) => response(200, "application/json", "", &document.to_string()),
        Answer::Raw(status, kind, body) => response(status, kind, "", &body),
        Answer::Redirect(target) => response(302, "text/plain", &format!("location: {target}\r\n"), ""),
        Answer::Silence => std::future::pending().await,
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"a\":\"";
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(&[b'a'; 4096]).await.ok()?;
            }
        }
    };
    stream.write_all(response.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn response(status: u16, kind: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Some\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}
