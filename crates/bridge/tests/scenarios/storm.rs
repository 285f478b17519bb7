//! Many clients with the same ids and tokens, workers that answer out of order, chatter, crash and are put to sleep all the
//! time, on several threads: every call gets exactly one answer, which is its own or a clear error.

use std::sync::Arc;
use std::time::Duration;

use bridge::config::BridgeConfig;
use bridge::reply::{Principal, ReplyBody};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::house::{Client, House, Puppet, initialize};

const USERS: usize = 6;
const SESSIONS_PER_USER: usize = 2;
const ROUNDS: usize = 150;
const AT_ONCE: usize = 4;

/// A generator that is the same in every run.
struct Dice(u64);

impl Dice {
    fn one_in(&mut self, sides: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(sides)
    }
}

fn restless(config: &mut BridgeConfig) {
    config.session_idle_timeout = Duration::from_millis(3);
    config.sweep_interval = Duration::from_millis(2);
    config.max_sessions = USERS * SESSIONS_PER_USER;
    config.call_deadline = Duration::from_secs(20);
    config.stream_after = Duration::from_millis(2);
}

/// A worker with a bad temper.
async fn play(mut worker: Puppet, seed: u64) {
    let mut dice = Dice(seed);
    let mut held: Vec<Value> = Vec::new();
    loop {
        // What is held is let go when nothing new comes.
        let patience = Duration::from_millis(if held.is_empty() { 60_000 } else { 1 });
        match tokio::time::timeout(patience, worker.line()).await {
            Ok(None) => return,
            Ok(Some(line)) => {
                let request: Value = serde_json::from_str(&line).expect("the broker writes JSON lines");
                match request["method"].as_str() {
                    Some("initialize") => {
                        worker.answer(&request, json!({"protocolVersion":"2025-11-25","capabilities":{}})).await;
                    }
                    Some("tools/call") => held.push(request),
                    Some("ping") => worker.answer(&request, json!({})).await,
                    _ => {}
                }
            }
            Err(_) => {}
        }
        if dice.one_in(80) {
            return worker.exit(3);
        }
        if dice.one_in(10) {
            worker.say("not a message").await;
        }
        while !held.is_empty() && !dice.one_in(4) {
            let index = usize::from(dice.one_in(2)) * (held.len() - 1);
            let call = held.swap_remove(index);
            let params = &call["params"];
            if dice.one_in(3) {
                let token = &params["_meta"]["progressToken"];
                let progress = json!({"progressToken":token,"progress":1,"message":params["name"]});
                worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":progress})).await;
            }
            worker.answer(&call, json!({"tag":params["name"]})).await;
            if dice.one_in(8) {
                // Twice: the second one is nobody's.
                worker.answer(&call, json!({"tag":"stray"})).await;
            }
        }
    }
}

/// All JSON-RPC messages of an answer.
async fn messages(client: &Client, body: &Value) -> Vec<Value> {
    match client.post(body).await.body {
        ReplyBody::Json(bytes) => vec![serde_json::from_slice(&bytes).expect("JSON")],
        ReplyBody::Events(events) => {
            let frames: Vec<_> = events.collect().await;
            let data = |frame: &bytes::Bytes| {
                let text = std::str::from_utf8(frame).expect("text").to_owned();
                text.lines()
                    .find_map(|line| line.strip_prefix("data: ").filter(|data| !data.is_empty()).map(str::to_owned))
            };
            frames.iter().filter_map(data).map(|data| serde_json::from_str(&data).expect("JSON")).collect()
        }
        ReplyBody::Empty | ReplyBody::Elsewhere(_) | ReplyBody::LogInAgain | ReplyBody::MayNotWrite(_) => {
            panic!("no answer")
        }
    }
}

/// One call: `true` if it was answered by a worker.
async fn call_once(client: &Client, id: usize, tag: &str) -> bool {
    let call =
        json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":tag,"_meta":{"progressToken":"t"}}});
    let messages = messages(client, &call).await;
    let (answer, before) = messages.split_last().expect("an answer");
    for progress in before {
        assert_eq!(progress["params"]["message"], *tag, "progress of another call: {progress}");
        assert_eq!(progress["params"]["progressToken"], "t");
    }
    assert_eq!(answer["id"], id, "{answer}");
    if answer["error"].is_null() {
        assert_eq!(answer["result"]["tag"], *tag, "an answer to another question");
        return true;
    }
    let code = answer["error"]["code"].as_i64().expect("a code");
    assert_eq!(code, -32000, "{answer}");
    false
}

async fn keep_calling(mut client: Client, name: String) -> (usize, usize) {
    if client.session.is_none() && name.contains("session") {
        client.session = loop {
            if let Some(id) = client.post(initialize("2025-11-25")).await.session_id {
                break Some(id);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        client.post(json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await;
    }
    let (mut good, mut bad) = (0, 0);
    for round in 0..ROUNDS {
        let calls = (0..AT_ONCE).map(|id| {
            let (client, tag) = (client.clone(), format!("{name} {round} {id}"));
            async move { call_once(&client, id, &tag).await }
        });
        for answered in futures_util::future::join_all(calls).await {
            if answered {
                good += 1;
            } else {
                bad += 1;
            }
        }
        if round % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
    }
    (good, bad)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_gets_its_own_answer_or_a_clear_error() {
    let house = Arc::new(House::with(restless));
    let players = tokio::spawn({
        let house = house.clone();
        async move {
            for seed in 0.. {
                tokio::spawn(play(house.worker().await, seed));
            }
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for user in 0..USERS {
        for session in 0..SESSIONS_PER_USER {
            let client = house.client(&format!("user {user}"));
            clients.spawn(keep_calling(client, format!("user {user} session {session}")));
        }
        // The grant's shared worker, with the same ids once more.
        let who = Principal {
            client: "careless".into(),
            grant: format!("other grant of {user}").into(),
            ..house.client(&format!("user {user}")).who
        };
        let client = Client { who, ..house.client("") };
        clients.spawn(keep_calling(client, format!("user {user} without id")));
    }
    let (mut good, mut bad) = (0, 0);
    while let Some(result) = clients.join_next().await {
        let (answered, refused) = result.expect("a client saw something wrong");
        good += answered;
        bad += refused;
    }
    players.abort();
    assert_eq!(good + bad, USERS * (SESSIONS_PER_USER + 1) * ROUNDS * AT_ONCE);
    assert!(good > bad, "{good} answered, {bad} refused");
    assert_eq!(house.bridge.figures().calls, 0);
    house.bridge.drain(Duration::from_secs(5)).await;
    assert_eq!(house.bridge.figures().workers, 0);
}
