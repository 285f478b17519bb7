//! Which tools a connection sees and may call; step-up (oauth.md A08 to A10).

use anyhow::{Context as _, Result, ensure};
use e2e::audit::AuditFile;
use e2e::broker::Settings;
use e2e::browser::{Browser, Person};
use e2e::children::{self, fixture};
use e2e::mcp::Mcp;
use e2e::modern::Modern;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn session(stack: &Stack, token: &str) -> Result<Mcp> {
    let mut mcp = Mcp::new(&stack.broker.url, token)?;
    mcp.initialize("2025-11-25").await?;
    Ok(mcp)
}

async fn modern_tools(modern: &Modern) -> Result<Vec<String>> {
    let result = modern.request("tools/list", &json!({})).await?;
    let tools = result["tools"].as_array().context("no tools")?;
    Ok(tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect())
}

#[tokio::test]
async fn a08_to_a10_a_read_only_connection_steps_up_and_its_session_goes_on() -> Result<()> {
    let audit = AuditFile::new()?;
    let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), audit.settings()).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let tokens = client.log_in(&browser, &Person::named("alice").read_only()).await?;
    assert_eq!(tokens.scope, "read");
    let mcp = session(&stack, &tokens.access_token).await?;
    let tools = mcp.tools().await?;
    assert!(tools.iter().any(|tool| tool == "get_issue_by_index") && !tools.iter().any(|tool| tool == "create_issue"));

    let words = fixture("2.34.1")?.words;
    let write = words.create_issue("Stepped up");
    let answer = mcp.send_call(write.tool, &write.arguments).await?;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
    let challenge = answer.header("www-authenticate").context("no challenge")?;
    for part in [
        "Bearer ",
        "error=\"insufficient_scope\"",
        "scope=\"read write\"",
        "error_description=\"",
        &format!("resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"", stack.broker.url),
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }
    let error = answer.error()?;
    assert!(error["message"].as_str().is_some_and(|text| text.contains("create_issue")), "{error}");

    // The same client asks for what the challenge names; the user now allows it.
    let authorization = client.authorize(Some("read write"))?;
    let back = browser.log_in(&authorization.url, &Person::named("alice"), &client.redirect_uri).await?;
    let more = client.redeem(&authorization, &client.code(&authorization, &back)?).await?;
    assert_eq!(more.scope, "read write");
    let mcp = mcp.with_token(&more.access_token);
    assert!(mcp.tools().await?.iter().any(|tool| tool == "create_issue"), "the same session");
    ensure!(mcp.call_text(write.tool, &write.arguments).await?.contains("Stepped up"));
    let event = audit.event("tool_called", "may_not_write").await?;
    assert_eq!(event["detail"], "create_issue");
    Ok(())
}

#[tokio::test]
async fn both_eras_show_a_real_worker_of_careful_annotations_by_them() -> Result<()> {
    let (present, _) = children::table()?;
    let Some(child) = present.into_iter().find(|child| child.profile == "forgejo-mcp-rs") else { return Ok(()) };
    let stack = Stack::start(&child).await?;
    let (_, tokens) = stack.log_in_as(&Person::named("alice").read_only()).await?;
    let legacy = session(&stack, &tokens.access_token).await?.tools().await?;
    let modern = Modern::new(&stack.broker.url, &tokens.access_token)?;
    for tools in [&legacy, &modern_tools(&modern).await?] {
        let has = |name: &str| tools.iter().any(|tool| tool == name);
        // No name rule would know whoami; list_keys reads, and is behind a door.
        assert!(has("whoami") && has("get_repo") && has("list_issues"), "{tools:?}");
        assert!(!has("create_issue") && !has("enable_write_mode") && !has("list_keys") && !has("list_push_mirrors"));
    }
    let denied = modern.send("tools/call", &json!({"name": "create_issue", "arguments": {}})).await?;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let door = modern.send("tools/call", &json!({"name": "list_keys", "arguments": {}})).await?.error()?;
    assert!(door["message"].as_str().is_some_and(|text| text.contains("user-keys")), "{door}");
    Ok(())
}

#[tokio::test]
async fn the_tools_of_a_door_appear_when_the_operator_opens_it() -> Result<()> {
    let of_hooks = |tools: &[String]| tools.iter().filter(|tool| tool.contains("_hook")).count();
    let stack = Stack::start(&fixture("2.34.1")?).await?;
    let (mcp, ..) = stack.session("alice").await?;
    assert_eq!(of_hooks(&mcp.tools().await?), 0);
    let arguments = json!({"owner": "alice", "repo": "hello"});
    let error = mcp.send_call("list_repo_hooks", &arguments).await?.error()?;
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("\"hooks\"")), "{error}");

    let open = Settings::default().with("OPEN_DOORS", "hooks");
    let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), open).await?;
    let (mcp, ..) = stack.session("alice").await?;
    assert!(of_hooks(&mcp.tools().await?) > 0, "2.34.1 has such tools");
    Ok(())
}

#[tokio::test]
async fn no_program_shows_a_tool_that_speaks_of_a_closed_door() -> Result<()> {
    const DOORS: [&str; 17] = [
        "admin",
        "application",
        "collaborator",
        "credential",
        "email",
        "gpg",
        "hook",
        "key",
        "migrat",
        "mirror",
        "password",
        "runner",
        "secret",
        "ssh",
        "token",
        "transfer",
        "variable",
    ];
    for child in children::table()?.0 {
        if child.profile == "custom" {
            continue;
        }
        let stack = Stack::start_with(&child, SimConfig::default(), Settings::default()).await?;
        let (mcp, ..) = stack.session("alice").await?;
        let tools = mcp.tools().await?;
        assert!(tools.len() > 10, "{}: {tools:?}", child.label);
        let speaks = |tool: &&String| DOORS.iter().any(|door| tool.to_lowercase().contains(door));
        let shown: Vec<_> = tools.iter().filter(speaks).collect();
        assert!(shown.is_empty(), "{}: {shown:?}", child.label);
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_gives_and_takes_tools_by_pattern_and_group() -> Result<()> {
    let settings = Settings::default()
        .with("TOOLS_ALLOW", "@read,create_issue*,delete_*")
        .with("TOOLS_DENY", "delete_?ranch,*_comment,list_my_orgs");
    let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), settings).await?;
    let (mcp, _, tokens) = stack.session("alice").await?;
    let modern = Modern::new(&stack.broker.url, &tokens.access_token)?;
    for tools in [mcp.tools().await?, modern_tools(&modern).await?] {
        let has = |name: &str| tools.iter().any(|tool| tool == name);
        assert!(has("get_issue_by_index") && has("create_issue") && has("delete_file"), "{tools:?}");
        for gone in ["update_issue", "delete_branch", "create_issue_comment", "get_issue_comment", "list_my_orgs"] {
            assert!(!has(gone), "{gone} in {tools:?}");
        }
    }
    for tool in ["delete_branch", "update_issue", "Create_issue", "no such\u{202e}tool", ""] {
        for answer in [
            mcp.send_call(tool, &json!({})).await?,
            modern.send("tools/call", &json!({"name": tool.replace('\u{202e}', ""), "arguments": {}})).await?,
        ] {
            assert_eq!(answer.status, StatusCode::OK, "{tool:?}: {}", answer.body);
            let error = answer.error()?;
            assert_eq!(error["code"], -32602, "{tool:?}: {error}");
        }
    }
    // In a batch of the old revision, beside a call that is let through.
    let mut old = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    old.initialize("2025-03-26").await?;
    let call = |id: u64, tool: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let batch = json!([call(1, "delete_branch", json!({})), call(2, "get_my_user_info", json!({}))]);
    let answers: Vec<Value> = serde_json::from_str(&old.post(&batch.to_string()).await?.body)?;
    let of = |id: u64| answers.iter().find(|answer| answer["id"] == id).cloned().unwrap_or_default();
    assert_eq!(of(1)["error"]["code"], -32602, "{answers:?}");
    assert!(of(2)["result"].is_object(), "{answers:?}");
    Ok(())
}
