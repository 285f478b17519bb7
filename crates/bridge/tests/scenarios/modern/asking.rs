use serde_json::{Value, json};

use super::caller::{Caller, SERVER_INFO, everything, on_worker};
use crate::house::{House, Puppet, body, refusal, soon};

pub(super) fn question(id: impl Into<Value>) -> Value {
    json!({"jsonrpc":"2.0","id":id.into(),"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{"n":{"type":"integer","maximum":1e300}}}}})
}

/// A call whose client has been asked: the call as the worker knows it, and the result that asks.
pub(super) async fn asked(caller: &Caller, worker: &mut Puppet, request: &Value) -> (Value, Value) {
    let reply = caller.start(request);
    let call = worker.next().await;
    worker.say(question("q")).await;
    let reply = soon(reply).await.expect("post");
    assert_eq!(reply.status, 200);
    let answer = body(reply);
    assert_eq!(answer["id"], request["id"]);
    assert_eq!(answer["result"]["resultType"], "input_required");
    (call, answer["result"].clone())
}

/// The same request again, with these answers.
pub(super) fn retried(request: &Value, id: impl Into<Value>, result: &Value, answers: Value) -> Value {
    let mut retry = request.clone();
    retry["id"] = id.into();
    retry["params"]["requestState"] = result["requestState"].clone();
    retry["params"]["inputResponses"] = answers;
    retry
}

pub(super) fn only_key(result: &Value) -> String {
    let requests = result["inputRequests"].as_object().expect("requests");
    assert_eq!(requests.len(), 1);
    requests.keys().next().expect("one").clone()
}

#[tokio::test(start_paused = true)]
async fn r02_and_r04_a_workers_question_ends_the_request_and_the_retry_takes_its_place() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    for (number, request) in [
        caller.call(1, "x"),
        caller.request(1, "prompts/get", json!({"name":"p"})),
        caller.request(1, "resources/read", json!({"uri":"a:b"})),
    ]
    .into_iter()
    .enumerate()
    {
        let (call, result) = asked(&caller, &mut worker, &request).await;
        assert_eq!(result["_meta"][SERVER_INFO]["name"], "puppet");
        // D04.
        assert!(result.get("ttlMs").is_none() && result.get("cacheScope").is_none());
        let key = only_key(&result);
        let original = question("q");
        assert_eq!(result["inputRequests"][&key], json!({"method":"elicitation/create","params":original["params"]}));
        let answer = json!({"action":"accept","content":{"n":9_007_199_254_740_993_u64}});
        let reply = caller.start(&retried(&request, "again", &result, json!({ key: answer, "unknown": {} })));
        assert_eq!(worker.next().await, json!({"jsonrpc":"2.0","id":"q","result":answer}));
        worker.answer(&call, json!({"round":number})).await;
        let finished = body(soon(reply).await.expect("post"));
        assert_eq!((&finished["id"], &finished["result"]["round"]), (&json!("again"), &json!(number)));
        assert_eq!(finished["result"]["resultType"], "complete");
    }
    worker.heard().await;
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn questions_that_come_together_go_out_together_and_each_answer_finds_its_question() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let reply = caller.start(&request);
    let call = worker.expect("tools/call").await;
    worker.say(question(0)).await;
    worker
        .say(json!({"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}))
        .await;
    worker.say(json!({"jsonrpc":"2.0","id":"r","method":"roots/list"})).await;
    let result = body(soon(reply).await.expect("post"))["result"].clone();
    let requests = result["inputRequests"].as_object().expect("requests");
    let methods: Vec<&Value> = requests.values().map(|request| &request["method"]).collect();
    assert_eq!(methods, ["elicitation/create", "roots/list", "sampling/createMessage"]);
    let answers: serde_json::Map<String, Value> =
        requests.iter().map(|(key, request)| (key.clone(), json!({"to":request["method"]}))).collect();
    let reply = caller.start(&retried(&request, 2, &result, Value::Object(answers)));
    let mut answered = std::collections::BTreeMap::new();
    for _ in 0..3 {
        let answer = worker.next().await;
        answered.insert(answer["id"].to_string(), answer["result"]["to"].as_str().expect("text").to_owned());
    }
    let expected = [("\"r\"", "roots/list"), ("\"s\"", "sampling/createMessage"), ("0", "elicitation/create")];
    assert_eq!(answered, expected.map(|(id, method)| (id.to_owned(), method.to_owned())).into());
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_worker_may_ask_again_and_each_round_has_a_state_of_its_own() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (call, first) = asked(&caller, &mut worker, &request).await;
    let reply = caller.start(&retried(&request, 2, &first, json!({ only_key(&first): {"round":1} })));
    assert_eq!(worker.next().await["result"], json!({"round":1}));
    worker.say(question("second")).await;
    let second = body(soon(reply).await.expect("post"))["result"].clone();
    assert_ne!(second["requestState"], first["requestState"]);
    let reply = caller.start(&retried(&request, 3, &second, json!({ only_key(&second): {"round":2} })));
    assert_eq!(worker.next().await, json!({"jsonrpc":"2.0","id":"second","result":{"round":2}}));
    worker.answer(&call, json!({"done":true})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["done"], true);
}

#[tokio::test(start_paused = true)]
async fn m06_and_r03_what_the_client_does_not_declare_is_refused_to_both() {
    let house = House::new();
    let (mut caller, mut worker) = on_worker(&house, everything()).await;
    let sampling = json!({"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[]}});
    let url = json!({"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"mode":"url","url":"https://x.example"}});
    for (capabilities, question, required) in [
        (json!({"elicitation":{}}), sampling, json!({"sampling":{}})),
        (json!({"elicitation":{}}), url, json!({"elicitation":{"url":{}}})),
        (json!({"elicitation":{"url":{}}}), question("q"), json!({"elicitation":{"form":{}}})),
    ] {
        caller.capabilities = capabilities;
        let reply = caller.start(&caller.call(1, "x"));
        let call = worker.expect("tools/call").await;
        worker.say(question).await;
        let refused = worker.next().await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("q"), &json!(-32601)));
        assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
        let reply = soon(reply).await.expect("post");
        assert_eq!(reply.status, 400);
        let error = body(reply)["error"].clone();
        assert_eq!((&error["code"], &error["data"]), (&json!(-32021), &json!({"requiredCapabilities":required})));
    }
    // Servers ask for roots at any time; nothing hangs on it.
    let reply = caller.start(&caller.call(1, "x"));
    let call = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","id":"r","method":"roots/list"})).await;
    assert_eq!(worker.next().await["error"]["code"], -32601);
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_question_without_one_clear_cause_is_refused_at_once() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let refuses = async |worker: &mut Puppet, question: Value| {
        worker.say(question).await;
        assert_eq!(worker.next().await["error"]["code"], -32601);
    };
    refuses(&mut worker, question(0)).await;
    refuses(&mut worker, json!({"jsonrpc":"2.0","id":1,"method":"unknown/thing"})).await;
    // R01: a list is no cause.
    let list = caller.start(&caller.request(1, "tools/list", json!({})));
    let listing = worker.expect("tools/list").await;
    refuses(&mut worker, question(0)).await;
    let (one, two) = (caller.start(&caller.call(2, "x")), caller.start(&caller.call(3, "x")));
    let (first, second) = (worker.next().await, worker.next().await);
    refuses(&mut worker, question(0)).await;
    worker.answer(&second, json!({})).await;
    soon(two).await.expect("post");
    // One call is open beside the list: it is the cause.
    worker.say(question(9)).await;
    assert_eq!(body(soon(one).await.expect("post"))["result"]["resultType"], "input_required");
    worker.answer(&listing, json!({"tools":[]})).await;
    assert_eq!(body(soon(list).await.expect("post"))["result"]["resultType"], "complete");
    worker.answer(&first, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn error_32042_becomes_pages_to_visit_for_clients_that_can() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let data = json!({"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example","message":"m"}]});
    for (caller, able) in [(caller.able(), true), (caller.clone(), false)] {
        let request = caller.call(1, "x");
        let reply = caller.start(&request);
        let call = worker.expect("tools/call").await;
        worker.say(json!({"jsonrpc":"2.0","id":call["id"],"error":{"code":-32042,"message":"m","data":data}})).await;
        let reply = soon(reply).await.expect("post");
        if !able {
            assert_eq!(refusal(reply), (200, -32603));
            continue;
        }
        let result = body(reply)["result"].clone();
        let asked = &result["inputRequests"][only_key(&result)];
        assert_eq!(asked["params"], json!({"mode":"url","url":"https://x.example","message":"m"}));
        // The retry begins anew.
        let mut retry = retried(&request, 2, &result, json!({"elicitation-0":{"action":"accept"}}));
        retry["params"].as_object_mut().expect("object").remove("requestState");
        let reply = caller.start(&retry);
        let call = worker.expect("tools/call").await;
        worker.answer(&call, json!({})).await;
        assert_eq!(soon(reply).await.expect("post").status, 200);
    }
}
