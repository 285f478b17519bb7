//! The attachment downloads of forgejo-mcp ≥ 2.19: they send the token to whatever host the API names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Call, Parameter, Running, Tool};
use crate::api::{ApiError, Request};
use crate::go;
use crate::output::Answer;
use crate::server::Fixture;

/// Attachments at or above this size are not fetched (1 MiB, as in forgejo-mcp).
const INLINE_CAP: u64 = 1024 * 1024;

const OWNER: Parameter = Parameter("owner", "string", true);
const REPO: Parameter = Parameter("repo", "string", true);
const ATTACHMENT: Parameter = Parameter("attachment_id", "number", true);

pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "download_release_attachment",
        about: "Download a release attachment",
        parameters: &[OWNER, REPO, Parameter("release_id", "number", true), ATTACHMENT],
        run: download,
    },
    Tool {
        name: "download_issue_attachment",
        about: "Download an issue/PR attachment",
        parameters: &[OWNER, REPO, Parameter("index", "number", true), ATTACHMENT],
        run: download,
    },
    Tool {
        name: "download_comment_attachment",
        about: "Download a comment attachment",
        parameters: &[OWNER, REPO, Parameter("comment_id", "number", true), ATTACHMENT],
        run: download,
    },
];

fn download<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let argument = |name: &str| call.text(name).unwrap_or_default();
        let (owner, repo, id) = (argument("owner"), argument("repo"), argument("attachment_id"));
        let (release, index, comment) = (argument("release_id"), argument("index"), argument("comment_id"));
        let (what, middle) = match call.name.as_str() {
            "download_release_attachment" => ("release", vec!["releases", &release]),
            "download_issue_attachment" => ("issue", vec!["issues", &index]),
            _ => ("comment", vec!["issues", "comments", &comment]),
        };
        let mut path = vec!["repos", &owner, &repo];
        path.extend(middle);
        path.extend(["assets", &id]);
        match fetch(fixture, path).await {
            Ok(answer) => answer,
            Err(error) => fixture.tool_failure(&format!("download {what} attachment err: {error}")),
        }
    })
}

async fn fetch(fixture: &Fixture, path: Vec<&str>) -> Result<Answer, ApiError> {
    let request = Request { method: Method::GET, path, query: Vec::new(), body: None };
    let metadata: Value = serde_json::from_str(&fixture.api.call(&request).await?).unwrap_or_default();
    let size = metadata["size"].as_u64().unwrap_or(0);
    let address = metadata["browser_download_url"].as_str().unwrap_or_default().to_owned();
    if size >= INLINE_CAP {
        let text = json!({ "Result": { "attachment": metadata, "inline": false } }).to_string();
        return Ok(Answer::text(&go::escape_html(&text)));
    }
    let (kind, bytes) = fixture.api.download(&address, 1024 * 1024).await?;
    let text = go::escape_html(&json!({ "Result": { "attachment": metadata, "inline": true } }).to_string());
    let result = json!({
        "content": [
            { "type": "text", "text": text },
            { "type": "resource", "resource": { "uri": address, "mimeType": kind, "blob": STANDARD.encode(bytes) } },
        ],
    });
    Ok(Answer::Result(go::escape_html(&result.to_string())))
}
