//! Bytes survive both ways.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{awake, modern_house, request};
use crate::house::{soon, text};

/// JSON text as somebody might write it: blanks, big numbers, escapes, odd names.
fn written() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "\"([a-zA-Z0-9 {}:,é€\u{1F600}]|\\\\n|\\\\u00e9|\\\\\"|\\\\/){0,20}\"",
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..4), " {0,2}")
                .prop_map(|(items, blank)| format!("[{blank}{}{blank}]", items.join(&format!("{blank},")))),
            (proptest::collection::vec(("[a-z]{3}Q[a-z]{0,3}", inner), 0..4), " {0,2}").prop_map(|(members, blank)| {
                let members: Vec<String> =
                    members.into_iter().map(|(name, value)| format!("\"{name}\"{blank}:{value}")).collect();
                format!("{{{blank}{}{blank}}}", members.join(","))
            }),
        ]
    })
}

async fn survives(argument: String, outcome: String, id: Value) {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let plain = request(id.clone(), "tools/call", json!({"name":"x","arguments":"HERE"}));
    let sent = plain.to_string().replace("\"HERE\"", &argument);
    let reply = client.start_text(&plain, sent.clone());
    let line = worker.line().await.expect("a line");
    // No reader of numbers is asked: it might not hold them.
    let number = line.trim_start_matches("{\"id\":").split(',').next().expect("an id").to_owned();
    let with_id = |id: &str| format!("\"id\":{id},");
    assert_eq!(line, sent.replacen(&with_id(&id.to_string()), &with_id(&number), 1));
    let answer = format!(
        "{{\"result\" : {{\"resultType\":\"complete\",\"structuredContent\":{outcome}}},\"id\":{number},\"jsonrpc\":\"2.0\"}}"
    );
    worker.say(answer.clone()).await;
    let came = text(soon(reply).await.expect("post"));
    assert_eq!(came, answer.replacen(&with_id(&number), &with_id(&id.to_string()), 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_goes_in_comes_out_save_the_id(argument in written(), outcome in written(), text in any::<bool>()) {
        let id = if text { json!("1") } else { json!(9_007_199_254_740_993_u64) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("runtime");
        runtime.block_on(survives(argument, outcome, id));
    }
}
