//! The authorization server: refreshes, whole logins, discovery documents.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::browser::{Browser, Person};
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use serde::Deserialize;

use super::Size;
use crate::http::{Answer, Connection};
use crate::load::{self, Work};
use crate::result::Figure;
use crate::subject::{broker, door};
use crate::target::Target;

const FAMILIES: usize = 8;

/// Gets of the discovery document.
struct Documents {
    request: Vec<u8>,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
}

pub(super) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let mut figures = on_sqlite(size).await?;
    match e2e::stack::postgres().and_then(|cluster| Ok(cluster.schema()?)) {
        Ok(place) => {
            let stack = broker(Settings::default().with("DATABASE_URL", place.url())).await?;
            let (client, families, target) = prepare(&stack).await?;
            let rate = refreshes(&target, &client.id, families, size.calls / 3).await?;
            let note = "the same on PostgreSQL on this machine, with its defaults";
            figures.push(Figure::new("refreshes_postgres", "refreshes of tokens on PostgreSQL", rate, "/s", note));
        }
        Err(reason) => crate::say(&format!("no PostgreSQL: {reason:#}")),
    }
    Ok(figures)
}

/// A client, tokens of several logins, and the broker's address.
async fn prepare(stack: &Stack) -> Result<(OAuthClient, Vec<String>, Target)> {
    let client = OAuthClient::register(&stack.broker.url, "bench").await?;
    let mut families = Vec::new();
    for _ in 0..FAMILIES {
        families.push(client.log_in(&Browser::new()?, &Person::named("alice")).await?.refresh_token);
    }
    let (_, tokens) = stack.log_in("alice").await?;
    Ok((client, families, door(stack, &tokens)?.modern()))
}

async fn on_sqlite(size: Size) -> Result<Vec<Figure>> {
    let stack = broker(Settings::default()).await?;
    let client = OAuthClient::register(&stack.broker.url, "bench").await?;
    // To make one takes about as long as to log in.
    let browsers = (0..size.starts).map(|_| Browser::new()).collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    for browser in &browsers {
        client.log_in(browser, &Person::named("alice")).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "tens of logins")]
    let login_rate = size.starts as f64 / began.elapsed().as_secs_f64();
    let (client, families, target) = prepare(&stack).await?;
    let refresh_rate = refreshes(&target, &client.id, families, size.calls).await?;
    let host = stack.broker.url.strip_prefix("http://").context("no http address")?;
    let request = format!("GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let documents = load::closed(&[target], 32, size.calls, Documents { request }).await?;
    Ok(vec![
        Figure::new(
            "refreshes",
            "refreshes of tokens",
            refresh_rate,
            "/s",
            "8 token families, each by a client of its own, on SQLite with synchronous=FULL; every pair is used for the next",
        ),
        Figure::new(
            "logins",
            "complete logins",
            login_rate,
            "/s",
            "one after the other, each in a browser of its own: authorize, consent, login at the stand-in, callback, code; the stand-in and the browser are in it",
        ),
        Figure::new("documents", "discovery documents", documents.rate(), "/s", "32 callers"),
    ])
}

async fn refreshes(target: &Target, client: &str, families: Vec<String>, times: u64) -> Result<f64> {
    let each = (times / FAMILIES as u64).max(1);
    let local = tokio::task::LocalSet::new();
    let mut tasks = Vec::new();
    let began = Instant::now();
    for mut token in families {
        let mut connection = Connection::open(target.address).await?;
        let (client, address) = (client.to_owned(), target.address);
        tasks.push(local.spawn_local(async move {
            let mut last = String::new();
            for _ in 0..each {
                let body = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
                let request = format!(
                    "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let answer = connection.exchange(request.as_bytes()).await?;
                let pair: Tokens = serde_json::from_slice(&answer.body).with_context(|| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))?;
                ensure!(pair.access_token != last, "the same access token again");
                (token, last) = (pair.refresh_token, pair.access_token);
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    local
        .run_until(async {
            for task in tasks {
                task.await.context("a caller ended")??;
            }
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
    Ok((each * FAMILIES as u64) as f64 / began.elapsed().as_secs_f64())
}

// === impl Documents ===

impl Work for Documents {
    fn request(&self, _: &Target, _: u64) -> Vec<u8> {
        self.request.clone()
    }

    fn check(&self, _: &Target, _: u64, answer: &Answer) -> Result<()> {
        ensure!(
            answer.status == 200 && memchr::memmem::find(&answer.body, b"\"issuer\"").is_some(),
            "no document: {}",
            answer.status
        );
        Ok(())
    }
}
