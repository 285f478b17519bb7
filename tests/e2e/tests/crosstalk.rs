//! Many clients of many users at once, all with the same ids and progress tokens: every answer belongs to its question and its user.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, http_client};
use e2e::browser::Person;
use e2e::children::fixture;
use e2e::mcp::Answer;
use e2e::stack::Stack;
use forgejo_sim::{NewUser, SimConfig};
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, header};
use serde_json::{Value, json};
use tokio::sync::Barrier;

const USERS: usize = 20;
/// Per user: as many with a session as without.
const CLIENTS: usize = 10;
const ROUNDS: usize = 3;
/// Requests of one client that are open at once.
const OPEN: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

/// One client. Nothing that it sends but its token and its text tells it from the others.
struct Caller {
    http: Client,
    url: String,
    token: String,
    login: String,
    era: Era,
    number: usize,
    session: Option<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traps_1_4_and_28_two_hundred_clients_of_twenty_users_get_their_own_answers() -> Result<()> {
    let people = (0..USERS).map(|number| format!("user{number:02}")).collect::<Vec<_>>();
    // One address asks for all of them; and every session wants a worker. On several threads calls overtake each other.
    let settings = Settings::default()
        .with("THREADS", "4")
        .with("MAX_SESSIONS", "400")
        .with("MAX_SESSIONS_PER_USER", "40")
        .with("RATE_LIMIT_AUTHORIZE", "off")
        .with("LOG_LEVEL", "info");
    let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), settings).await?;
    for login in &people {
        stack.sim.create_user(NewUser::new(login, format!("{login}-password")));
    }
    let http = http_client()?;
    let logins = stream::iter(&people).map(|login| async {
        let (_, tokens) = stack.log_in_as(&Person::named(login)).await.with_context(|| login.clone())?;
        anyhow::Ok((login.clone(), tokens.access_token))
    });
    let logins: Vec<(String, String)> = logins.buffered(4).try_collect().await?;

    let callers = logins.iter().flat_map(|(login, token)| {
        (0..CLIENTS).map(|number| Caller {
            http: http.clone(),
            url: format!("{}/mcp", stack.broker.url),
            token: token.clone(),
            login: login.clone(),
            era: if number % 2 == 0 { Era::Legacy } else { Era::Modern },
            number,
            session: None,
        })
    });
    // Starting a hundred processes is not what is tried here.
    let opened = stream::iter(callers).map(Caller::opened).buffer_unordered(8);
    let callers: Vec<Caller> = opened.try_collect().await?;
    ensure!(callers.len() == USERS * CLIENTS, "only {} clients", callers.len());
    let start = Arc::new(Barrier::new(callers.len()));
    let running = callers.into_iter().map(|caller| tokio::spawn(caller.run(Arc::clone(&start))));
    let answers = try_join_all(running).await?.into_iter().sum::<Result<usize>>()?;
    assert_eq!(answers, USERS * CLIENTS * ROUNDS * OPEN);
    Ok(())
}

// === impl Caller ===

impl Caller {
    async fn opened(mut self) -> Result<Self> {
        if self.era == Era::Legacy {
            let params = json!({
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "one of many", "version": "1"},
            });
            let request = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
            let mut answer = self.post(&request).await?;
            for _ in 0..5 {
                // A hundred processes are started on a machine that may be busy: 503 says to try again.
                if answer.status != 503 {
                    break;
                }
                answer = self.post(&request).await?;
            }
            ensure!(answer.status == 200, "{}: {} {}", self.login, answer.status, answer.body);
            self.session = answer.header("mcp-session-id");
            ensure!(self.session.is_some(), "no session");
            self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        }
        Ok(self)
    }

    async fn run(self, start: Arc<Barrier>) -> Result<usize> {
        start.wait().await;
        let mut answers = 0;
        for round in 0..ROUNDS {
            // The same ids and tokens everywhere; numbers and strings that look alike.
            let open = [json!(1), json!("1"), json!(0), json!("")].map(|id| self.ask(id, round));
            answers += try_join_all(open)
                .await
                .with_context(|| format!("{} {:?} {}", self.login, self.era, self.number))?
                .len();
        }
        Ok(answers)
    }

    /// One call whose answer could be nobody else's.
    async fn ask(&self, id: Value, round: usize) -> Result<()> {
        let text = format!("{} {} {:?} {round} {id}", self.login, self.number, self.era);
        let who = id == json!(1);
        let params = if who {
            json!({"name": "get_my_user_info", "arguments": {}, "_meta": {}})
        } else {
            json!({"name": "progress", "arguments": {"n": 2, "text": text}, "_meta": {"progressToken": id.clone()}})
        };
        let answer = self.post(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        let mut messages = answer.messages()?;
        let response = messages.pop().context("no answer")?;
        ensure!(response["id"] == id, "asked with {id}, answered {response}");
        let said = response["result"]["content"][0]["text"].as_str().unwrap_or_default();
        if who {
            ensure!(said.contains(&format!("\"{}\"", self.login)), "{} is told of {said}", self.login);
            ensure!(messages.is_empty(), "{messages:?}");
        } else {
            ensure!(said == text, "{text:?} was answered {said:?}");
            for told in &messages {
                ensure!(
                    told["params"]["progressToken"] == id && told["params"]["message"] == text,
                    "{text:?} heard {told}"
                );
            }
            ensure!(messages.len() == 2, "{} messages of progress", messages.len());
        }
        Ok(())
    }

    async fn post(&self, message: &Value) -> Result<Answer> {
        let mut message = message.clone();
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let mut request = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        if self.era == Era::Modern {
            let meta = &mut message["params"]["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            let name = message["params"]["name"].as_str().unwrap_or_default().to_owned();
            request = request.header("mcp-protocol-version", "2026-07-28");
            request = request.header("mcp-method", method).header("mcp-name", name);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        let response = request.body(message.to_string()).send().await.context("the broker does not answer")?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    }
}
