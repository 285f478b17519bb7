//! A client that calls without end and judges every answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::browser::{Browser, Person};
use crate::mcp::{Answer, Mcp, request};
use crate::modern::{self, Modern};
use crate::oauth_client::{OAuthClient, Tokens};
use anyhow::Result;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::dice::Dice;

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest time that a client thinks between two calls.
const PAUSE: Duration = Duration::from_millis(60);

/// One call in so many is a refresh, for a client that refreshes.
const RENEWAL: u64 = 30;

/// How long it waits for a broker that is away.
const AWAY: Duration = Duration::from_millis(200);

/// What all clients share.
#[derive(Default)]
pub struct Field {
    /// Raised when all is over.
    pub over: AtomicBool,
    /// Raised when the broker is killed and when it is up again: odd while it is away. A connection may break only then.
    pub lives: AtomicU64,
    /// What has come of it so far.
    pub tally: Mutex<Tally>,
}

/// What came of all calls.
#[derive(Default)]
pub struct Tally {
    /// Right answers.
    pub right: u64,
    /// Token pairs that a refresh brought.
    pub renewed: u64,
    /// Clear errors, by what they say.
    pub errors: BTreeMap<String, u64>,
    /// Calls that broke off with the broker's life.
    pub cut: u64,
    /// Logins that had to be repeated.
    pub logins: u64,
    /// What must not be.
    pub wrong: Vec<String>,
}

enum Speech {
    Session(Box<Mcp>),
    Stateless(Box<Modern>),
}

/// One client of one user.
pub struct Client {
    login: String,
    others: Vec<String>,
    oauth: OAuthClient,
    speech: Speech,
    calls: u64,
    name: String,
    /// What it refreshes now and then, if it does.
    tokens: Option<Tokens>,
}

/// What came of one call.
enum Outcome {
    Right,
    Error(String),
    LogInAgain,
    Cut(String),
    Wrong(String),
}

// === impl Client ===

impl Client {
    /// With a session of its own.
    #[must_use]
    pub fn with_session(name: String, login: &str, others: Vec<String>, oauth: OAuthClient, mcp: Mcp) -> Self {
        let speech = Speech::Session(Box::new(mcp));
        Self { login: login.to_owned(), others, oauth, speech, calls: 0, name, tokens: None }
    }

    /// Of 2026-07-28.
    #[must_use]
    pub fn stateless(name: String, login: &str, others: Vec<String>, oauth: OAuthClient, modern: Modern) -> Self {
        let speech = Speech::Stateless(Box::new(modern));
        Self { login: login.to_owned(), others, oauth, speech, calls: 0, name, tokens: None }
    }

    /// The same client, which refreshes its tokens now and then, twice at once as one with several nodes does.
    #[must_use]
    pub fn renewing(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Calls until all is over.
    pub async fn run(mut self, field: Arc<Field>, mut dice: Dice) -> Self {
        while !field.over.load(Ordering::Relaxed) {
            let life = field.lives.load(Ordering::SeqCst);
            let renews = self.tokens.is_some() && dice.below(RENEWAL) == 0;
            let outcome = if renews { self.renew(&field).await } else { self.call(dice.below(2) == 0).await };
            let broker_died = life % 2 == 1 || field.lives.load(Ordering::SeqCst) != life;
            let cut = matches!(outcome, Outcome::Cut(_));
            let log_in = self.note(&field, outcome, broker_died);
            if log_in && self.log_in_again().await.is_ok() {
                field.tally.lock().logins += 1;
            }
            sleep(if cut { AWAY } else { dice.up_to(PAUSE) }).await;
        }
        self
    }

    /// `true` if the user has to log in again.
    fn note(&self, field: &Field, outcome: Outcome, broker_died: bool) -> bool {
        let mut tally = field.tally.lock();
        match outcome {
            Outcome::Right => tally.right += 1,
            Outcome::Error(label) => *tally.errors.entry(label).or_default() += 1,
            Outcome::LogInAgain => {
                *tally.errors.entry("log in again (401, or invalid_grant)".to_owned()).or_default() += 1;
                return true;
            }
            Outcome::Cut(_) if broker_died => tally.cut += 1,
            Outcome::Cut(why) => tally.wrong.push(format!("{}: broke off by itself: {why}", self.name)),
            Outcome::Wrong(why) => tally.wrong.push(format!("{}: {why}", self.name)),
        }
        false
    }

    async fn call(&mut self, of_itself: bool) -> Outcome {
        self.calls += 1;
        let mark = format!("{} call {}", self.name, self.calls);
        let (tool, arguments) =
            if of_itself { ("get_my_user_info", json!({})) } else { ("echo", json!({"mark": mark})) };
        let answer = match timeout(PATIENCE, self.send(tool, &arguments)).await {
            Err(_) => return Outcome::Wrong(format!("no answer to {tool} in {} s", PATIENCE.as_secs())),
            Ok(Err(error)) => return Outcome::Cut(format!("{error:#}")),
            Ok(Ok(answer)) => answer,
        };
        self.judge(&answer, &json!(mark), of_itself)
    }

    async fn send(&self, tool: &str, arguments: &Value) -> Result<Answer> {
        let params = json!({"name": tool, "arguments": arguments});
        let id = json!(format!("{} call {}", self.name, self.calls));
        match &self.speech {
            Speech::Session(mcp) => mcp.post(&request(&id, "tools/call", &params)).await,
            Speech::Stateless(modern) => {
                let mut message = modern.message("tools/call", &params);
                message["id"] = id;
                modern::read(modern.open(&message, &[]).await?).await
            }
        }
    }

    fn judge(&self, answer: &Answer, id: &Value, of_itself: bool) -> Outcome {
        let status = answer.status.as_u16();
        if status == 401 {
            return Outcome::LogInAgain;
        }
        if matches!(status, 502 | 504) {
            return Outcome::Cut(format!("{status} of the balancer"));
        }
        let Ok(messages) = answer.messages() else {
            return Outcome::Wrong(format!("{status} without a message: {}", answer.body));
        };
        let Some(message) =
            messages.iter().find(|message| message["result"].is_object() || message["error"].is_object())
        else {
            return Outcome::Cut(format!("{status}, a stream without an answer: {:?}", answer.body));
        };
        // Whom it cannot let in yet, it does not read.
        let unread = message["id"].is_null() && message["error"].is_object() && matches!(status, 429 | 503);
        if message["id"] != *id && !unread {
            return Outcome::Wrong(format!("the answer to another call: {message} instead of {id}"));
        }
        let text = message["result"]["content"][0]["text"].as_str().unwrap_or_default();
        if self.others.iter().any(|other| text.contains(other)) {
            return Outcome::Wrong(format!("another user's answer: {message}"));
        }
        if let Some(error) = message["error"]["message"].as_str().filter(|error| !error.is_empty()) {
            let busy = matches!(status, 429 | 503);
            if status == 404 {
                return Outcome::Wrong(format!("the session is lost: {error}"));
            }
            if busy && answer.header("retry-after").is_none() {
                return Outcome::Wrong(format!("{status} without Retry-After: {error}"));
            }
            return match status {
                200 | 429 | 503 => Outcome::Error(format!("{status}: {error}")),
                _ => Outcome::Wrong(format!("{status}: {error}")),
            };
        }
        if message["result"]["isError"] == true {
            return Outcome::Error("200: the tool could not reach Forgejo".to_owned());
        }
        let wanted = if of_itself { self.login.as_str() } else { id.as_str().unwrap_or_default() };
        if text.contains(wanted) {
            Outcome::Right
        } else {
            Outcome::Wrong(format!("not what was asked for: {message}"))
        }
    }

    async fn log_in_again(&mut self) -> Result<()> {
        let tokens = self.oauth.log_in(&Browser::new()?, &Person::named(&self.login)).await?;
        self.take(tokens)
    }

    fn take(&mut self, tokens: Tokens) -> Result<()> {
        match &mut self.speech {
            Speech::Session(mcp) => **mcp = mcp.with_token(&tokens.access_token),
            Speech::Stateless(modern) => {
                **modern = Modern::new(&self.oauth.issuer, &tokens.access_token)?;
            }
        }
        if self.tokens.is_some() {
            self.tokens = Some(tokens);
        }
        Ok(())
    }

    /// Two refreshes of one token at once: whatever becomes of either, they may not bring two different pairs.
    async fn renew(&mut self, field: &Field) -> Outcome {
        let Some(tokens) = self.tokens.clone() else { return Outcome::Wrong("it has no tokens".to_owned()) };
        let (oauth, token) = (&self.oauth, &tokens.refresh_token);
        let both = timeout(PATIENCE, async { tokio::join!(oauth.refresh_raw(token), oauth.refresh_raw(token)) });
        let Ok((first, second)) = both.await else { return Outcome::Wrong("no answer to a refresh".to_owned()) };
        let mut pair: Option<Tokens> = None;
        let mut worst = None;
        for answer in [first, second] {
            match answer {
                Ok((status, body)) if status.is_success() => match serde_json::from_value::<Tokens>(body) {
                    Ok(minted) => match &pair {
                        Some(other) if other.refresh_token != minted.refresh_token => {
                            return Outcome::Wrong("one refresh token has brought two pairs".to_owned());
                        }
                        _ => pair = Some(minted),
                    },
                    Err(error) => return Outcome::Wrong(format!("a refresh brought no pair: {error}")),
                },
                Ok((status, body)) => {
                    let (code, what) = (body["error"].as_str(), body["error_description"].as_str());
                    worst = Some(match (status.as_u16(), code) {
                        (400, Some("invalid_grant")) => Outcome::LogInAgain,
                        (429 | 503, _) => Outcome::Error(format!("{status}: {}", what.unwrap_or_default())),
                        _ => Outcome::Wrong(format!("a refresh: {status} {body}")),
                    });
                }
                // A balancer's 502 is no JSON.
                Err(error) => worst = Some(Outcome::Cut(format!("a refresh: {error:#}"))),
            }
        }
        let Some(pair) = pair else { return worst.unwrap_or(Outcome::Right) };
        field.tally.lock().renewed += 1;
        match self.take(pair) {
            Ok(()) => Outcome::Right,
            Err(error) => Outcome::Wrong(format!("{error:#}")),
        }
    }

    /// The storm is over: the same session, or the same client, has to serve its user again.
    pub async fn still_served(&mut self) -> Result<(), String> {
        let mut last = String::new();
        // Longer than a seat rests whose workers have crashed again and again.
        for _ in 0..200 {
            match self.call(true).await {
                Outcome::Right => return Ok(()),
                Outcome::Wrong(why) => return Err(format!("{}: {why}", self.name)),
                Outcome::LogInAgain => last = format!("log in again: {:?}", self.log_in_again().await.err()),
                Outcome::Error(why) | Outcome::Cut(why) => last = why,
            }
            sleep(Duration::from_millis(500)).await;
        }
        Err(format!("{}: not served any more: {last}", self.name))
    }
}
