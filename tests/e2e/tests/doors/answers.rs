//! What Forgejo says to nobody but the broker (gateway.md §1, "Back").

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, free_port};
use e2e::children;
use e2e::stack::Stack;
use e2e::through_worker::WorkerRequest;
use forgejo_sim::{Fault, FaultRule, SimConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const ADDED: &str = "Set-Cookie: i_like_gitea=stolen; Path=/\r\nSet-Cookie: _csrf=stolen\r\n\
                     WWW-Authenticate: Basic realm=\"Forgejo\"\r\nX-Kept: yes\r\n";

#[tokio::test]
async fn cookies_and_challenges_of_forgejo_stay_outside() -> Result<()> {
    let port = free_port()?;
    let settings = Settings::default().with("FORGEJO_INTERNAL_URL", format!("http://127.0.0.1:{port}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let stack = Stack::start_with(&children::fixture("2.18.0")?, SimConfig::default(), settings).await?;
    tokio::spawn(add_headers(listener, stack.sim.address()));
    let (worker, _, _) = stack.session("alice").await?;
    for target in ["/api/v1/repos/alice/hello", "/alice/hello/raw/branch/main/README.md", "/api/v1/repos/alice/none"] {
        let answer = WorkerRequest::get(target).send(&worker).await?;
        ensure!(answer.header("x-kept") == Some("yes"), "{target} did not come this way: {answer:?}");
        for name in ["set-cookie", "www-authenticate"] {
            ensure!(answer.header(name).is_none(), "{target}: {name} reached the worker");
        }
    }
    Ok(())
}

/// A program may take a 401 as a reason to exit, and Forgejo's own text can echo the token.
#[tokio::test]
async fn a_401_of_forgejo_to_a_living_login_is_told_as_a_403_of_ours() -> Result<()> {
    let stack = Stack::start(&children::fixture("2.18.0")?).await?;
    let (worker, _, _) = stack.session("alice").await?;
    WorkerRequest::get("/api/v1/user").send(&worker).await?;
    stack.sim.add_fault(FaultRule::on("/api/v1/repos/alice/hello", Fault::Status(401)));
    let answer = WorkerRequest::get("/api/v1/repos/alice/hello").send(&worker).await?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.body);
    ensure!(answer.message().contains("although the login is good"), "{}", answer.body);
    let whoami = WorkerRequest::get("/api/v1/user").send(&worker).await?;
    ensure!(whoami.status == 200, "one refused request spoilt the connection: {}", whoami.body);
    Ok(())
}

/// Puts more headers into every answer on its way back.
async fn add_headers(listener: TcpListener, server: SocketAddr) -> Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(server).await?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::spawn(copy(from_client, to_server, ""));
        tokio::spawn(copy(from_server, to_client, ADDED));
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, added: &str) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { return Ok(()) };
        // Requests of one connection follow their answers, so an answer begins where a piece does.
        if !added.is_empty() && piece.starts_with(b"HTTP/1.1 ") {
            let line = piece.windows(2).position(|two| two == b"\r\n").context("no status line")? + 2;
            to.write_all(&[&piece[..line], added.as_bytes(), &piece[line..]].concat()).await?;
        } else {
            to.write_all(piece).await?;
        }
    }
}
