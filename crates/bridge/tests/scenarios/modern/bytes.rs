//! Bytes are forwarded, not re-typed.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::caller::{Caller, everything, head, on_worker};
use crate::house::{House, Puppet, soon};

/// JSON as people write it: numbers that no double holds, escapes, blanks, members in any order.
pub(crate) fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "\"([^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9]{4}){0,12}\"",
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" , "))),
            proptest::collection::vec(("[a-z]{1,6}", inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().enumerate().map(|(n, (name, value))| format!("\"{name}{n}\" : {value}")).collect();
                format!("{{ {} }}", members.join(" , "))
            }),
        ]
    })
}

async fn there_and_back(
    caller: &Caller,
    worker: &mut Puppet,
    id: &str,
    arguments: &str,
    result: &str,
) -> (String, String) {
    let meta = caller.call(0, "x")["params"]["_meta"].to_string();
    let body = format!(
        r#"{{"jsonrpc":"2.0","unknown":{arguments},"id":{id},"method":"tools/call","params":{{"name":"x","_meta":{meta},"arguments":{arguments},"extra":{result}}}}}"#
    );
    let (poster, head) = (caller.clone(), head(&caller.call(0, "x")));
    let reply = tokio::spawn(async move { poster.post_as(head, body).await });
    let sent = worker.line().await.expect("a line");
    // Not parsed: no parser but ours has to like these numbers.
    let number = sent.split_once("\"id\":").map(|(_, rest)| rest.split(',').next().expect("a part")).expect("an id");
    worker
        .say(format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"content":{result},"more":{arguments}}}}}"#))
        .await;
    let answer = crate::house::text(soon(reply).await.expect("post"));
    (sent.replacen(&format!("\"id\":{number}"), "\"id\":?", 1), answer)
}

#[test]
fn what_goes_in_comes_out_save_what_the_protocol_says_to_change() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("runtime");
    let house = runtime.block_on(async { House::new() });
    let (caller, worker) = runtime.block_on(on_worker(&house, everything()));
    let worker = std::cell::RefCell::new(worker);
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let id = prop_oneof!["-?[1-9][0-9]{0,30}", "\"[^\"\\\\\\x00-\\x1f]{0,20}\"", Just(r#""\u0041""#.to_owned())];
    runner
        .run(&(id, json_text(), json_text()), |(id, arguments, result)| {
            let (sent, answer) =
                runtime.block_on(there_and_back(&caller, &mut worker.borrow_mut(), &id, &arguments, &result));
            prop_assert_eq!(
                sent,
                format!(
                    r#"{{"jsonrpc":"2.0","unknown":{arguments},"id":?,"method":"tools/call","params":{{"name":"x","arguments":{arguments},"extra":{result}}}}}"#
                )
            );
            let info = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"puppet","version":"1"}}"#;
            prop_assert_eq!(
                answer,
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete",{info},"content":{result},"more":{arguments}}}}}"#
                )
            );
            Ok(())
        })
        .expect("bytes survive");
}
