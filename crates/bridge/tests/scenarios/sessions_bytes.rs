//! Bytes survive both ways between a session and its worker.

use std::cell::RefCell;

use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::house::{Client, House, Puppet, soon, text};
use crate::modern::json_text;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("runtime")
}

/// What the worker got of a call, and the client of its answer; the worker's number is `?`.
async fn there_and_back(client: &Client, worker: &mut Puppet, arguments: &str, outcome: &str) -> (String, String) {
    let body = format!(
        r#"{{"params":{{"arguments":{arguments},"name":"x","extra":{outcome}}},"method":"tools/call","more":{arguments},"id":"1","jsonrpc":"2.0"}}"#
    );
    let reply = client.start(body);
    let sent = worker.line().await.expect("a line");
    // Not parsed: no parser but ours has to like these numbers.
    let number =
        sent.rsplit_once("\"id\":").and_then(|(_, rest)| rest.split([',', '}']).next()).expect("an id").to_owned();
    worker
        .say(format!(r#"{{"result":{{"more":{arguments},"content":{outcome}}},"id":{number},"jsonrpc":"2.0"}}"#))
        .await;
    let answer = text(soon(reply).await.expect("post"));
    let id = sent.rfind("\"id\":").expect("an id");
    (format!("{}{}", &sent[..id], sent[id..].replacen(&format!("\"id\":{number}"), "\"id\":?", 1)), answer)
}

#[test]
fn what_goes_into_a_session_comes_out_save_the_id() {
    let runtime = runtime();
    let house = runtime.block_on(async { House::new() });
    let (client, worker) = runtime.block_on(house.session("2025-11-25"));
    let worker = RefCell::new(worker);
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let case = |(arguments, outcome): (String, String)| {
        let (sent, answer) = runtime.block_on(there_and_back(&client, &mut worker.borrow_mut(), &arguments, &outcome));
        let wanted = format!(
            r#"{{"params":{{"arguments":{arguments},"name":"x","extra":{outcome}}},"method":"tools/call","more":{arguments},"id":?,"jsonrpc":"2.0"}}"#
        );
        assert_eq!(sent, wanted);
        let wanted = format!(r#"{{"result":{{"more":{arguments},"content":{outcome}}},"id":"1","jsonrpc":"2.0"}}"#);
        assert_eq!(answer, wanted);
        Ok(())
    };
    runner.run(&(json_text(), json_text()), case).expect("bytes survive");
}
