//! Grants with chosen repositories, over the wire. Repositories 7 (`alice/hello`) and 8 (`acme/rocket`) are chosen, 9 (`alice/private`) is not.

use std::{collections::BTreeMap, sync::Arc};

use axum::response::Response;
use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::fake::*;
use crate::gateway::{ChosenRepositories, GatewayEvent, GrantAccess, GrantTerms};

const UUID: &str = "0b1e6e8c-3c53-4a2d-9a3e-0123456789ab";

/// Repositories by name, and what else is answered by target.
#[derive(Clone, Default)]
struct Content {
    names: Arc<Mutex<BTreeMap<String, i64>>>,
    moved: Arc<Mutex<BTreeMap<String, String>>>,
    answers: Arc<Mutex<BTreeMap<String, Value>>>,
    /// Lists by path; the last page is answered for every later one.
    pages: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
}

impl Content {
    fn repo(id: i64, name: &str) -> Value {
        json!({"id":id,"full_name":name,"name":name.split('/').nth(1),"owner":{"login":name.split('/').next()}})
    }

    fn issue(id: i64, name: &str) -> Value {
        json!({"id":1,"number":1,"title":format!("about {name}"),"repository":Self::repo(id, name)})
    }

    fn answer(&self, seen: &Seen) -> Response {
        let path = seen.target.split('?').next().unwrap();
        let name = path.strip_prefix("/api/v1/repos/").map(str::to_lowercase);
        if let Some(pages) = self.pages.lock().get(path) {
            let page = seen.target.split(['?', '&']).find_map(|pair| pair.strip_prefix("page=")).unwrap_or("1");
            let at = page.parse::<usize>().unwrap().min(pages.len()) - 1;
            return json(&pages[at].to_string());
        }
        if let Some(answer) = self.answers.lock().get(&format!("{} {path}", seen.method)) {
            return json(&answer.to_string());
        }
        if let Some(name) = name {
            if let Some(id) = self.names.lock().get(&name) {
                return json(&Self::repo(*id, &name).to_string());
            }
            if let Some(to) = self.moved.lock().get(&name) {
                return redirect(307, &format!("/api/v1/repos/{to}"));
            }
            if name.matches('/').count() < 2 {
                return status(404, r#"{"message":"The target couldn't be found."}"#);
            }
        }
        json(r#"{"ok":true}"#)
    }

    fn answers(&self, method: &str, path: &str, answer: Value) {
        self.answers.lock().insert(format!("{method} {path}"), answer);
    }

    fn pages(&self, path: &str, pages: &[Value]) {
        self.pages.lock().insert(path.to_owned(), pages.to_vec());
    }

    fn rename(&self, from: &str, to: &str) {
        let id = self.names.lock().remove(from).unwrap();
        self.names.lock().insert(to.to_owned(), id);
        self.moved.lock().insert(from.to_owned(), to.to_owned());
    }
}

fn choice(ids: &[i64]) -> GrantTerms {
    let chosen: ChosenRepositories = ids.iter().copied().collect();
    GrantTerms { access: GrantAccess::ReadWrite, repositories: Some(Arc::new(chosen)) }
}

async fn world() -> (World, Content) {
    let content = Content::default();
    for (name, id) in [("alice/hello", 7), ("acme/rocket", 8), ("alice/private", 9)] {
        content.names.lock().insert(name.to_owned(), id);
    }
    let answering = content.clone();
    let world = World::with(move |seen| answering.answer(seen)).await;
    *world.grants.0.lock() = choice(&[7, 8]);
    (world, content)
}

/// What reached Forgejo beside the questions what names mean.
fn arrived(world: &World) -> Vec<String> {
    let asks = |seen: &Seen| seen.header("user-agent").is_none();
    world
        .forgejo
        .seen()
        .iter()
        .filter(|seen| !asks(seen))
        .map(|seen| format!("{} {}", seen.method, seen.target))
        .collect()
}

async fn value(answer: reqwest::Response) -> Value {
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn send(world: &World, method: Method, target: &str, body: &Value) -> reqwest::Response {
    let request = world.request(method, target).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

#[tokio::test]
pub(super) async fn what_is_outside_is_refused_by_name_in_every_spelling_and_by_id() {
    let (world, _) = world().await;
    for target in [
        "/api/v1/repos/alice/private",
        "/api/v1/repos/ALICE/Private/issues",
        "/api/v1/repos//alice///%70rivate/contents/a",
        "/api/v1/repos/alice/nothing",
        "/api/v1/repositories/9",
        "/api/v1/repositories/7a",
        "/alice/private/archive/main.zip",
        "/alice/private/raw/branch/main/a",
        "/alice/private/releases/download/v1/a",
    ] {
        let message = refusal(world.get(target).await, 403).await;
        assert!(message.contains("limited to chosen repositories"), "{target}: {message}");
        assert!(!message.contains("private"), "{message}");
    }
    assert_eq!(arrived(&world), Vec::<String>::new());
}

#[tokio::test]
pub(super) async fn a_chosen_repository_is_reached_by_name_and_by_id() {
    let (world, content) = world().await;
    content.answers("GET", "/api/v1/repositories/7", Content::repo(7, "alice/hello"));
    assert_eq!(value(world.get("/api/v1/repos/Alice//%68ello").await).await["id"], 7);
    assert_eq!(value(world.get("/api/v1/repositories/7").await).await["id"], 7);
    assert_eq!(world.get("/alice/hello/archive/main.zip").await.status(), 200);
    assert_eq!(
        send(&world, Method::POST, "/api/v1/repos/alice/hello/issues", &json!({"title":"t"})).await.status(),
        200
    );
}

#[tokio::test]
pub(super) async fn an_answer_by_id_that_is_about_another_repository_is_not_passed_on() {
    let (world, content) = world().await;
    content.answers("GET", "/api/v1/repositories/7", Content::repo(9, "alice/private"));
    refusal(world.get("/api/v1/repositories/7").await, 403).await;
}

#[tokio::test]
pub(super) async fn a_renamed_repository_is_found_under_its_new_name_and_the_old_name_opens_nothing() {
    let (world, content) = world().await;
    content.rename("alice/hello", "alice/renamed");
    let answer = world.get("/api/v1/repos/alice/hello/issues/3?x=1").await;
    assert_eq!(answer.status(), 307);
    let location = answer.headers()["location"].to_str().unwrap();
    assert_eq!(location, format!("{}/api/v1/repos/alice/renamed/issues/3?x=1", world.gateway.url()));
    // Somebody else's repository takes the name.
    content.names.lock().insert("alice/hello".to_owned(), 10);
    for method in [Method::POST, Method::PATCH] {
        let target =
            if method == Method::POST { "/api/v1/repos/alice/hello/issues" } else { "/api/v1/repos/alice/hello" };
        refusal(send(&world, method, target, &json!({"title":"t"})).await, 403).await;
    }
    refusal(world.get("/api/v1/repos/alice/hello/issues").await, 403).await;
}

#[tokio::test]
pub(super) async fn the_new_name_of_a_repository_that_was_not_chosen_is_not_told() {
    let (world, content) = world().await;
    content.rename("alice/private", "alice/still-private");
    let message = refusal(world.get("/api/v1/repos/alice/private/issues").await, 403).await;
    assert!(!message.contains("still-private"));
}

#[tokio::test]
pub(super) async fn whoever_writes_asks_anew_what_a_name_means() {
    let (world, content) = world().await;
    assert_eq!(world.get("/api/v1/repos/alice/hello/issues").await.status(), 200);
    content.rename("alice/hello", "alice/renamed");
    content.names.lock().insert("alice/hello".to_owned(), 10);
    refusal(send(&world, Method::POST, "/api/v1/repos/alice/hello/issues", &json!({"title":"t"})).await, 403).await;
    // And what was found out holds for those who read.
    refusal(world.get("/api/v1/repos/alice/hello/issues").await, 403).await;
}

#[tokio::test]
pub(super) async fn a_request_that_names_another_repository_in_its_body_is_refused() {
    let (world, _) = world().await;
    let hello = "/api/v1/repos/alice/hello";
    for (method, path, body) in [
        ("POST", "/pulls", json!({"head":"bob:topic","base":"main","title":"t"})),
        ("POST", "/pulls", json!({"head":"alice/private:topic","base":"main","title":"t"})),
        ("POST", "/pulls", json!({"head":["bob:topic"],"base":"main","title":"t"})),
        ("POST", "/pulls", json!({"head":"topic","base":"bob:main","title":"t"})),
        ("POST", "/pulls", json!({"head":"topic","Head":"bob:topic","base":"main","title":"t"})),
        ("POST", "/issues/1/dependencies", json!({"owner":"alice","repo":"private","index":1})),
        ("DELETE", "/issues/1/dependencies", json!({"owner":"alice","repo":"private","index":1})),
        ("POST", "/issues/1/blocks", json!({"owner":"alice","repo":"private","index":1})),
        ("POST", "/issues/1/blocks", json!({"owner":"alice","repo":"hello","Repo":"private","index":1})),
        ("POST", "/issues/1/blocks", json!({"index":1})),
        ("PATCH", "", json!({"name":"other"})),
        ("PATCH", "", json!({"Name":"other"})),
        ("POST", "/issues", json!({"title":"t","body":"closes alice/private#1"})),
        ("POST", "/issues/1/comments", json!({"body":"https://git.example/alice/private/issues/1"})),
        ("PATCH", "/issues/1", json!({"title":"like Alice/Private!3"})),
        ("PUT", "/contents/a", json!({"content":"","message":"fixes alice/private#1","sha":"s"})),
        ("DELETE", "/contents/a?message=fixes%20alice%2Fprivate%231", Value::Null),
        ("POST", "/pulls/1/merge", json!({"Do":"merge","MergeMessageField":"closes alice/private#1"})),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let target = format!("{hello}{path}");
        let answer = match &body {
            Value::Null => world.request(method, &target).send().await.unwrap(),
            body => send(&world, method, &target, body).await,
        };
        let message = refusal(answer, 403).await;
        assert!(message.contains("limited to chosen repositories"), "{target} {body}: {message}");
    }
    assert_eq!(arrived(&world), Vec::<String>::new());
}

#[tokio::test]
pub(super) async fn a_request_that_names_a_chosen_repository_in_its_body_is_forwarded() {
    let (world, _) = world().await;
    let hello = "/api/v1/repos/alice/hello";
    for (method, path, body) in [
        (Method::POST, "/pulls", json!({"head":"topic","base":"main","title":"t"})),
        (Method::POST, "/pulls", json!({"head":"Alice:topic","base":"main","title":"t"})),
        (Method::POST, "/issues/1/dependencies", json!({"owner":"acme","repo":"rocket","index":1})),
        (Method::DELETE, "/issues/1/blocks", json!({"owner":"Alice","repo":"Hello","index":1})),
        (Method::PATCH, "", json!({"name":"Hello","description":"d"})),
        (
            Method::POST,
            "/issues",
            json!({"title":"t","body":"see acme/rocket#1, alice/hello#2, #3 and nobody/nothing#4"}),
        ),
    ] {
        let answer = send(&world, method, &format!("{hello}{path}"), &body).await;
        assert_eq!(answer.status(), 200, "{path} {body}: {}", answer.text().await.unwrap());
    }
}

#[tokio::test]
pub(super) async fn what_is_written_has_to_be_json_that_can_be_judged() {
    let (world, _) = world().await;
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "title=t&body=closes+alice%2Fprivate%231"),
        ("text/plain", "{}"),
        ("application/jsonx", r#"{"title":"t"}"#),
        ("application/json", r#"{"title":"t"}{"title":"u"}"#),
        ("application/json", "[]"),
    ] {
        let request =
            world.request(Method::POST, "/api/v1/repos/alice/hello/issues").header("content-type", content_type);
        refusal(request.body(body).send().await.unwrap(), 403).await;
    }
    assert_eq!(arrived(&world), Vec::<String>::new());
}

#[tokio::test]
pub(super) async fn a_large_json_body_is_judged_too() {
    let (world, _) = world().await;
    let padding = "A".repeat(2 << 20);
    let write = |message: &str| json!({"content":padding,"message":message});
    let target = "/api/v1/repos/alice/hello/contents/big";
    refusal(send(&world, Method::POST, target, &write("fixes alice/private#1")).await, 403).await;
    assert_eq!(send(&world, Method::POST, target, &write("fixes #1")).await.status(), 200);
    assert_eq!(arrived(&world).len(), 1);
}

#[tokio::test]
pub(super) async fn what_makes_moves_or_joins_repositories_is_refused() {
    let (world, _) = world().await;
    for (method, target) in [
        ("POST", "/api/v1/repos/alice/hello/forks"),
        ("POST", "/api/v1/repos/alice/hello/generate"),
        ("POST", "/api/v1/repos/alice/hello/sync_fork"),
        ("POST", "/api/v1/repos/alice/hello/sync_fork/main"),
        ("POST", "/api/v1/repos/alice/hello/convert"),
        ("PUT", "/api/v1/repos/alice/hello/teams/x"),
        ("POST", "/api/v1/user/repos"),
        ("POST", "/api/v1/orgs/acme/repos"),
        ("PUT", "/api/v1/notifications"),
        ("PUT", "/api/v1/user/starred/alice/private"),
        ("PUT", "/api/v1/teams/1/repos/alice/private"),
        ("GET", "/api/v1/users/alice/heatmap"),
        ("GET", "/api/v1/users/alice/activities/feeds"),
        ("GET", "/api/v1/orgs/acme/activities/feeds"),
        ("GET", "/api/v1/packages/alice"),
        ("GET", "/api/v1/topics/search?q=a"),
        ("GET", "/api/v1/user/settings"),
        ("GET", "/api/v1/repos/alice/hello/something-new"),
        ("GET", "/api/v1/Repos/alice/hello"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = if method == Method::GET {
            world.get(target).await
        } else {
            send(&world, method, target, &json!({"name":"x","organization":"acme"})).await
        };
        let message = refusal(answer, 403).await;
        assert!(message.contains("chosen repositories"), "{target}: {message}");
    }
    assert!(world.forgejo.seen().is_empty());
}

#[tokio::test]
pub(super) async fn a_comparison_with_another_repository_is_refused() {
    let (world, _) = world().await;
    for other in [
        "compare/main...bob:topic",
        "compare/main..bob:topic",
        "compare/bob:main...topic",
        "compare/main...alice/private:topic",
        "compare/main...alice%2Fprivate:topic",
        "compare/main...alice%3Aa:b",
        "pulls/main/bob:topic",
        "pulls/bob%3Amain/topic",
    ] {
        refusal(world.get(&format!("/api/v1/repos/alice/hello/{other}")).await, 403).await;
    }
    assert_eq!(arrived(&world), Vec::<String>::new());
    for own in ["compare/main...topic", "compare/v1.0...feature/x", "compare/main...alice:topic", "pulls/main/topic"] {
        assert_eq!(world.get(&format!("/api/v1/repos/alice/hello/{own}")).await.status(), 200, "{own}");
    }
}

#[tokio::test]
pub(super) async fn what_would_write_to_a_pull_requests_own_branch_asks_whose_it_is() {
    let (world, content) = world().await;
    let pull = |id, name| json!({"number":1,"head":{"repo":Content::repo(id, name)},"base":{"repo":Content::repo(7, "alice/hello")}});
    content.pages("/api/v1/repos/alice/hello/pulls/1/commits", &[json!([])]);
    for (id, name, allowed) in [(9, "alice/private", false), (7, "alice/hello", true)] {
        content.answers("GET", "/api/v1/repos/alice/hello/pulls/1", pull(id, name));
        let update = send(&world, Method::POST, "/api/v1/repos/alice/hello/pulls/1/update", &json!({})).await;
        let merge = json!({"Do":"merge","delete_branch_after_merge":true});
        let merge = send(&world, Method::POST, "/api/v1/repos/alice/hello/pulls/1/merge", &merge).await;
        assert_eq!((update.status() == 200, merge.status() == 200), (allowed, allowed), "{name}");
    }
}

#[tokio::test]
pub(super) async fn a_merge_leaves_a_branch_of_another_repository_only_if_it_says_so() {
    let (world, content) = world().await;
    let head = |repo: Value| json!({"number":1,"head":{"repo":repo},"base":{"repo":Content::repo(7, "alice/hello")}});
    let merge = "/api/v1/repos/alice/hello/pulls/1/merge";
    content.pages("/api/v1/repos/alice/hello/pulls/1/commits", &[json!([])]);
    let (says, asks) = (json!({"Do":"merge","delete_branch_after_merge":false}), json!({"Do":"merge"}));
    for repo in [Content::repo(9, "alice/private"), Value::Null] {
        content.answers("GET", "/api/v1/repos/alice/hello/pulls/1", head(repo));
        for unclear in [
            asks.clone(),
            json!({"Do":"merge","delete_branch_after_merge":null}),
            json!({"Do":"merge","delete_branch_after_merge":"false"}),
            json!({"Do":"merge","delete_branch_after_merge":0}),
        ] {
            let message = refusal(send(&world, Method::POST, merge, &unclear).await, 403).await;
            assert!(message.contains("delete_branch_after_merge as false"), "{unclear}: {message}");
        }
        let twice = json!({"Do":"merge","delete_branch_after_merge":false,"Delete_Branch_After_Merge":true});
        refusal(send(&world, Method::POST, merge, &twice).await, 403).await;
        assert_eq!(send(&world, Method::POST, merge, &says).await.status(), 200);
    }
    content.answers("GET", "/api/v1/repos/alice/hello/pulls/1", head(Content::repo(7, "alice/hello")));
    assert_eq!(send(&world, Method::POST, merge, &asks).await.status(), 200);
}

#[tokio::test]
pub(super) async fn a_merge_does_not_carry_out_what_a_strangers_commit_says_about_another_repository() {
    let (world, content) = world().await;
    let hello = "/api/v1/repos/alice/hello";
    let merge = json!({"Do":"squash","delete_branch_after_merge":false});
    let pull = |title: &str, body: &str| json!({"number":1,"title":title,"body":body,"head":{"repo":Content::repo(7, "alice/hello")}});
    let commits = |message: &str| json!([{"commit":{"message":"honest"}},{"commit":{"message":message}}]);
    for (title, body, message, allowed) in [
        ("t", "b", "closes alice/private#1", false),
        ("t", "fixes https://git.example/Alice/Private/issues/1", "m", false),
        ("resolves alice/private!1", "b", "m", false),
        ("t", "like acme/rocket#1 and nobody/nothing#2", "fixes #3", true),
    ] {
        content.answers("GET", &format!("{hello}/pulls/1"), pull(title, body));
        content.pages(&format!("{hello}/pulls/1/commits"), &[commits(message), json!([])]);
        let answer = send(&world, Method::POST, &format!("{hello}/pulls/1/merge"), &merge).await;
        if allowed {
            assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        } else {
            let message = refusal(answer, 403).await;
            assert!(message.contains("the text of the pull request or one of its commits"), "{message}");
        }
    }
    // Not one page short of the end, and not without end.
    content.pages(&format!("{hello}/pulls/1/commits"), &[commits("m"), commits("closes alice/private#1"), json!([])]);
    refusal(send(&world, Method::POST, &format!("{hello}/pulls/1/merge"), &merge).await, 403).await;
    content.pages(&format!("{hello}/pulls/1/commits"), &[commits("m")]);
    refusal(send(&world, Method::POST, &format!("{hello}/pulls/1/merge"), &merge).await, 403).await;
}

#[tokio::test]
pub(super) async fn no_lines_of_another_repositorys_files_are_rendered() {
    let (world, _) = world().await;
    let line = |name: &str| format!("see https://git.example/{name}/src/commit/0123abcd/secret.txt#L1-L9");
    let render = async |target: &'static str, content_type: &str, body: String| {
        let request = world.request(Method::POST, target).header("content-type", content_type);
        request.body(body).send().await.unwrap()
    };
    for target in ["/api/v1/markdown", "/api/v1/markup"] {
        for member in ["Text", "text"] {
            let body = json!({member: line("Alice/Private")}).to_string();
            refusal(render(target, "application/json", body).await, 403).await;
        }
        let own = json!({"Text": line("alice/hello")}).to_string();
        assert_eq!(render(target, "application/json", own).await.status(), 200);
    }
    refusal(render("/api/v1/markdown/raw", "text/plain", line("alice/private")).await, 403).await;
    let long = format!("{}\n{}", "x".repeat(2 << 20), line("alice/private"));
    refusal(render("/api/v1/markdown/raw", "text/plain", long).await, 403).await;
    assert_eq!(render("/api/v1/markdown/raw", "text/plain", line("alice/hello")).await.status(), 200);
    assert_eq!(render("/api/v1/markdown/raw", "text/plain", "like alice/private#1".to_owned()).await.status(), 200);
}

#[tokio::test]
pub(super) async fn lists_across_repositories_hold_only_chosen_ones_and_so_do_their_totals() {
    let (world, content) = world().await;
    let repos = json!([
        Content::repo(9, "alice/private"),
        Content::repo(7, "alice/hello"),
        Content::repo(10, "x/y"),
        Content::repo(8, "acme/rocket")
    ]);
    for path in
        ["user/repos", "users/alice/repos", "orgs/acme/repos", "user/starred", "user/subscriptions", "teams/3/repos"]
    {
        content.answers("GET", &format!("/api/v1/{path}"), repos.clone());
        let answer = world.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.headers()["x-total-count"], "2", "{path}");
        assert!(!answer.headers().contains_key("link"));
        assert_eq!(value(answer).await, json!([repos[1], repos[3]]), "{path}");
        assert_eq!(value(world.get(&format!("/api/v1/{path}?limit=1&page=2")).await).await, json!([repos[3]]));
        let head = world.request(Method::HEAD, &format!("/api/v1/{path}")).send().await.unwrap();
        assert_eq!(head.headers()["x-total-count"], "2");
    }
    content.answers("GET", "/api/v1/repos/search", json!({"ok":true,"data":repos}));
    let found = value(world.get("/api/v1/repos/search?q=a&uid=1").await).await;
    assert_eq!(found, json!({"ok":true,"data":[repos[1], repos[3]]}));
    let issues = json!([Content::issue(9, "alice/private"), Content::issue(7, "alice/hello")]);
    content.answers("GET", "/api/v1/repos/issues/search", issues.clone());
    assert_eq!(value(world.get("/api/v1/repos/issues/search?q=about").await).await, json!([issues[1]]));
    content.answers("GET", "/api/v1/notifications", issues.clone());
    assert_eq!(value(world.get("/api/v1/notifications").await).await, json!([issues[1]]));
    assert_eq!(value(world.get("/api/v1/notifications/new").await).await, json!({"new":1}));
    let times = json!([{"id":1,"issue":issues[0]},{"id":2,"issue":issues[1]},{"id":3,"issue":null}]);
    content.answers("GET", "/api/v1/user/times", times.clone());
    assert_eq!(value(world.get("/api/v1/user/times").await).await, json!([times[1]]));
    let watch = |name: &str| json!({"issue_title":"t","repo_owner_name":"alice","repo_name":name});
    content.answers("GET", "/api/v1/user/stopwatches", json!([watch("private"), watch("hello"), watch("gone")]));
    assert_eq!(value(world.get("/api/v1/user/stopwatches").await).await, json!([watch("hello")]));
}

#[tokio::test]
pub(super) async fn a_list_of_many_pages_is_read_to_its_end() {
    let page = |number: usize| -> Vec<Value> {
        let ids = (number - 1) * 50..(number * 50).min(120);
        ids.map(|id| Content::repo(i64::try_from(id).unwrap(), &format!("o/r{id}"))).collect()
    };
    let world = World::with(move |seen| {
        let number = seen.target.split("page=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        let mut answer = json(&json!(page(number)).to_string());
        answer.headers_mut().insert("x-total-count", "120".parse().unwrap());
        answer
    })
    .await;
    *world.grants.0.lock() = choice(&[3, 99, 119]);
    let answer = world.get("/api/v1/user/repos?page=1&limit=2").await;
    assert_eq!(answer.headers()["x-total-count"], "3");
    assert_eq!(
        value(answer).await.as_array().unwrap().iter().map(|repo| repo["id"].as_i64().unwrap()).collect::<Vec<_>>(),
        [3, 99]
    );
    assert_eq!(value(world.get("/api/v1/user/repos?page=2&limit=2").await).await[0]["id"], 119);
    assert_eq!(world.forgejo.seen().len(), 6);
}

#[tokio::test]
pub(super) async fn a_notification_is_changed_only_if_it_is_about_a_chosen_repository() {
    let (world, content) = world().await;
    let thread = |id, name| json!({"id":5,"repository":Content::repo(id, name),"subject":{"title":"t"}});
    content.answers("GET", "/api/v1/notifications/threads/5", thread(9, "alice/private"));
    content.answers("PATCH", "/api/v1/notifications/threads/5", thread(9, "alice/private"));
    refusal(world.get("/api/v1/notifications/threads/5").await, 403).await;
    refusal(world.request(Method::PATCH, "/api/v1/notifications/threads/5").send().await.unwrap(), 403).await;
    assert_eq!(arrived(&world), ["GET /api/v1/notifications/threads/5"]);
    content.answers("GET", "/api/v1/notifications/threads/5", thread(7, "alice/hello"));
    content.answers("PATCH", "/api/v1/notifications/threads/5", thread(7, "alice/hello"));
    let read = world.request(Method::PATCH, "/api/v1/notifications/threads/5").send().await.unwrap();
    assert_eq!(value(read).await["id"], 5);
}

#[tokio::test]
pub(super) async fn an_attachment_is_served_once_a_chosen_repositorys_answer_has_shown_it() {
    let (world, content) = world().await;
    let elsewhere = format!("/attachments/{UUID}");
    let places = [elsewhere.clone(), format!("/alice/hello/attachments/{UUID}")];
    for target in &places {
        assert!(refusal(world.get(target).await, 403).await.contains("read that first"));
    }
    assert_eq!(arrived(&world), Vec::<String>::new());
    let mut issue = Content::issue(7, "alice/hello");
    issue["assets"] = json!([{"uuid":UUID,"browser_download_url":format!("https://git.example/attachments/{UUID}")}]);
    content.answers("GET", "/api/v1/repos/alice/hello/issues/1", issue);
    let shown = value(world.get("/api/v1/repos/alice/hello/issues/1").await).await;
    assert_eq!(shown["assets"][0]["browser_download_url"], format!("{}{elsewhere}", world.gateway.url()));
    for target in &places {
        assert_eq!(world.get(target).await.status(), 200, "{target}");
    }
    // The one names a repository beside it, which has to be a chosen one.
    refusal(world.get(&format!("/alice/private/attachments/{UUID}")).await, 403).await;
    // What was shown for a repository goes with it.
    *world.grants.0.lock() = choice(&[8]);
    refusal(world.get(&elsewhere).await, 403).await;
}

#[tokio::test]
pub(super) async fn events_that_point_elsewhere_are_left_out_of_the_timeline() {
    let (world, content) = world().await;
    let events = json!([
        {"id":1,"type":"issue_ref","ref_issue":Content::issue(9, "alice/private")},
        {"id":2,"type":"comment","body":"hi"},
        {"id":3,"type":"commit_ref","body":"<a href=\"/alice/private/commit/abc\">secret</a>"},
        {"id":4,"type":"issue_ref","ref_issue":Content::issue(8, "acme/rocket")},
    ]);
    content.answers("GET", "/api/v1/repos/alice/hello/issues/1/timeline", events.clone());
    let answer = world.get("/api/v1/repos/alice/hello/issues/1/timeline").await;
    assert_eq!(answer.headers()["x-total-count"], "2");
    assert_eq!(value(answer).await, json!([events[1], events[3]]));
}

#[tokio::test]
pub(super) async fn the_limits_are_read_at_every_request() {
    let (world, _) = world().await;
    assert_eq!(world.get("/api/v1/repos/alice/hello/issues").await.status(), 200);
    *world.grants.0.lock() = choice(&[8]);
    refusal(world.get("/api/v1/repos/alice/hello/issues").await, 403).await;
    *world.grants.0.lock() = GrantTerms::everywhere(GrantAccess::ReadWrite);
    assert_eq!(world.get("/api/v1/repos/alice/private/issues").await.status(), 200);
}

#[tokio::test]
pub(super) async fn an_answer_that_comes_after_the_limits_were_changed_is_not_passed_on() {
    let grants: Arc<Mutex<Option<Arc<Grants>>>> = Arc::default();
    let changing = Arc::clone(&grants);
    let world = World::with(move |seen| {
        if seen.header("user-agent").is_none() {
            return json(&Content::repo(7, "alice/hello").to_string());
        }
        if let Some(grants) = &*changing.lock() {
            *grants.0.lock() = choice(&[8]);
        }
        json(r#"[{"title":"secret"}]"#)
    })
    .await;
    *grants.lock() = Some(Arc::clone(&world.grants));
    for before in [GrantTerms::everywhere(GrantAccess::ReadWrite), choice(&[7]), choice(&[7, 8])] {
        *world.grants.0.lock() = before;
        let message = refusal(world.get("/api/v1/repos/alice/hello/issues").await, 403).await;
        assert!(message.contains("were changed"), "{message}");
    }
}

#[tokio::test]
pub(super) async fn conditions_and_parts_of_sieved_answers_do_not_reach_forgejo() {
    let (world, content) = world().await;
    content.answers("GET", "/api/v1/repos/alice/hello/issues/1", Content::issue(7, "alice/hello"));
    let request = world.request(Method::GET, "/api/v1/repos/alice/hello/issues/1");
    let answer = request.header("if-none-match", "\"x\"").header("range", "bytes=0-3").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let seen = world.forgejo.seen();
    let last = seen.last().unwrap();
    assert!(last.header("if-none-match").is_none() && last.header("range").is_none());
    let request = world.request(Method::GET, "/api/v1/repos/alice/hello/raw/a").header("range", "bytes=0-3");
    request.send().await.unwrap();
    assert_eq!(world.forgejo.seen().last().unwrap().header("range"), Some("bytes=0-3"));
}

#[tokio::test]
pub(super) async fn a_redirect_that_leads_outside_is_not_told() {
    let content = Content::default();
    content.names.lock().insert("alice/hello".to_owned(), 7);
    content.names.lock().insert("alice/private".to_owned(), 9);
    let answering = content.clone();
    let world = World::with(move |seen| {
        if seen.target.ends_with("/raw/a") {
            return redirect(303, "/api/v1/repos/alice/private/raw/a");
        }
        if seen.target.ends_with("/raw/b") {
            return redirect(303, "/api/v1/repos/alice/hello/raw/c");
        }
        answering.answer(seen)
    })
    .await;
    *world.grants.0.lock() = choice(&[7]);
    refusal(world.get("/api/v1/repos/alice/hello/raw/a").await, 403).await;
    assert_eq!(world.get("/api/v1/repos/alice/hello/raw/b").await.status(), 303);
}

#[tokio::test]
pub(super) async fn an_answer_too_large_to_be_looked_through_is_refused_and_a_file_is_not() {
    let (world, content) = world().await;
    let large = json!({"content":"A".repeat(9 << 20)});
    for path in ["issues/1", "contents/a"] {
        content.answers("GET", &format!("/api/v1/repos/alice/hello/{path}"), large.clone());
    }
    let message = refusal(world.get("/api/v1/repos/alice/hello/issues/1").await, 403).await;
    assert!(message.contains("8 MiB"), "{message}");
    let file = world.get("/api/v1/repos/alice/hello/contents/a").await;
    assert_eq!(file.bytes().await.unwrap().len(), large.to_string().len());
}

#[tokio::test]
pub(super) async fn rendering_is_in_the_light_of_chosen_repositories_only() {
    let (world, _) = world().await;
    for (context, allowed) in [
        ("", true),
        ("alice/hello", true),
        ("https://git.example/acme/rocket/src/branch/main", true),
        ("alice/private", false),
        ("x", false),
    ] {
        let answer =
            send(&world, Method::POST, "/api/v1/markdown", &json!({"Text":"#1","Mode":"gfm","Context":context})).await;
        assert_eq!(answer.status() == 200, allowed, "{context}");
    }
    let raw = world.request(Method::POST, "/api/v1/markdown/raw").header("content-type", "text/plain").body("# a");
    assert_eq!(raw.send().await.unwrap().status(), 200);
}

#[tokio::test]
pub(super) async fn what_is_tried_outside_of_the_choice_is_told_to_the_observer() {
    let (mut world, _) = world().await;
    refusal(world.get("/api/v1/repos/alice/private").await, 403).await;
    let event = world.event(|event| matches!(event, GatewayEvent::ChoiceRefused { .. })).await;
    assert_eq!(event, GatewayEvent::ChoiceRefused { who: assignment(), method: Method::GET });
}

#[tokio::test]
pub(super) async fn a_forgejo_that_does_not_say_what_a_name_means_lets_nothing_through() {
    let world = World::with(|_| status(500, "{}")).await;
    *world.grants.0.lock() = choice(&[7]);
    refusal(world.get("/api/v1/repos/alice/hello").await, 502).await;
    let world = World::with(|_| json(r#"{"full_name":"alice/hello"}"#)).await;
    *world.grants.0.lock() = choice(&[7]);
    refusal(world.get("/api/v1/repos/alice/hello").await, 502).await;
}
