//! The program: what it prints and how it ends.

use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::browser::{Browser, client, form};

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forgejo-sim"));
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test]
async fn the_program_serves_the_demo_and_tells_how_to_get_in() {
    let mut child =
        start(&["--json", "--profile", "v15", "--oauth-app-redirect", "http://127.0.0.1:8080/oauth/callback"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let facts: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let text = |name: &str| facts[name].as_str().unwrap().to_owned();
    let url = text("url");
    assert!(text("client_secret").starts_with("gto_"));
    let account = facts["accounts"].as_array().unwrap().iter().find(|account| account["login"] == "alice").unwrap();
    let browser = Browser::default();
    let fields = form(&[("user_name", "alice"), ("password", account["password"].as_str().unwrap())]);
    assert_eq!(browser.post(&format!("{url}/user/login"), &fields).await.status, StatusCode::SEE_OTHER);
    let home = browser.get(&format!("{url}/")).await;
    for name in ["alice/hello", "alice/private-notes", "acme/rocket"] {
        assert!(home.body.contains(name), "{name}");
    }
    for (path, what) in
        [("alice/hello", "A program that says hello."), ("alice/hello/issues/1", "Good idea, I am on it.")]
    {
        assert!(browser.get(&format!("{url}/{path}")).await.body.contains(what), "{path}");
    }
    let authorize = format!(
        "{url}/login/oauth/authorize?response_type=code&client_id={}&redirect_uri=http://127.0.0.1:8080/oauth/callback&state=s",
        text("client_id")
    );
    assert!(browser.get(&authorize).await.body.contains("Authorize application"));
    let pulls: Value =
        client().get(format!("{url}/api/v1/repos/alice/hello/pulls")).send().await.unwrap().json().await.unwrap();
    assert_eq!(pulls[0]["head"]["ref"], "greet-by-name");
}

#[tokio::test]
async fn the_program_prints_one_line_per_fact_and_a_taken_port_is_a_failure() {
    let mut child = start(&["--root-url", "http://127.0.0.1:3000/git/"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(
        lines.next_line().await.unwrap().unwrap(),
        "Forgejo stand-in (11.0.15+gitea-1.22.0) at http://127.0.0.1:3000/git"
    );
    let address = lines.next_line().await.unwrap().unwrap().strip_prefix("listening on ").unwrap().to_owned();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "account alice with password alice-password");

    let second = Command::new(env!("CARGO_BIN_EXE_forgejo-sim")).args(["--listen", &address]).output().await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains(&format!("can't listen on {address}")));
}
