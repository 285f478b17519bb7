//! Version, settings, rendering of Markdown, templates.

use std::fmt::Write as _;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{web::page::escape, wire};

use super::{
    call::{ApiError, ApiResult, Call, ok},
    route::{NONE, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "version", NONE, version),
    open("GET", "settings/api", NONE, settings_api),
    open("GET", "settings/ui", NONE, settings_ui),
    open("GET", "settings/repository", NONE, settings_repository),
    open("GET", "settings/attachment", NONE, settings_attachment),
    open("GET", "gitignore/templates", NONE, no_templates),
    open("GET", "licenses", NONE, no_templates),
    open("GET", "label/templates", NONE, no_templates),
    signed("POST", "markdown", NONE, markdown),
    signed("POST", "markdown/raw", NONE, markdown_raw),
    signed("POST", "markup", NONE, markdown),
];

fn version(call: &mut Call<'_>) -> ApiResult {
    ok(&json!({"version": call.site.profile().version()}))
}

fn settings_api(_: &mut Call<'_>) -> ApiResult {
    ok(&json!({
        "max_response_items": 50, "default_paging_num": 30, "default_git_trees_per_page": 1000,
        "default_max_blob_size": 10_485_760,
    }))
}

fn settings_ui(_: &mut Call<'_>) -> ApiResult {
    ok(&json!({"default_theme": "forgejo-auto", "allowed_reactions": ["+1", "-1"], "custom_emojis": []}))
}

fn settings_repository(_: &mut Call<'_>) -> ApiResult {
    ok(&json!({
        "mirrors_disabled": false, "http_git_disabled": false, "migrations_disabled": false, "stars_disabled": false,
        "forks_disabled": false, "time_tracking_disabled": false, "lfs_disabled": true,
    }))
}

fn settings_attachment(_: &mut Call<'_>) -> ApiResult {
    ok(&json!({"enabled": true, "allowed_types": "*/*", "max_size": 4, "max_files": 5}))
}

fn no_templates(_: &mut Call<'_>) -> ApiResult {
    ok(&json!([]))
}

#[derive(Deserialize)]
struct MarkdownOption {
    #[serde(default, alias = "Text")]
    text: String,
}

fn markdown(call: &mut Call<'_>) -> ApiResult {
    let option: MarkdownOption = call.body()?;
    Ok(wire::html(StatusCode::OK, render(&option.text)))
}

fn markdown_raw(call: &mut Call<'_>) -> ApiResult {
    let text = std::str::from_utf8(&call.request.body).map_err(|_| ApiError::invalid("the body is not UTF-8"))?;
    Ok(wire::html(StatusCode::OK, render(text)))
}

/// Headings, list items, paragraphs; the rest stays text.
pub(crate) fn render(markdown: &str) -> String {
    let mut out = String::new();
    for block in markdown.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let level = block.bytes().take_while(|b| *b == b'#').count();
        if (1..=6).contains(&level) && block.as_bytes().get(level) == Some(&b' ') {
            let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
            let _ = writeln!(out, "<h{level}>{}</h{level}>", escape(first[level..].trim()));
            out.push_str(&render(rest));
        } else if block.lines().all(|line| line.starts_with("- ") || line.starts_with("* ")) {
            out.push_str("<ul>\n");
            for line in block.lines() {
                let _ = writeln!(out, "<li>{}</li>", escape(&line[2..]));
            }
            out.push_str("</ul>\n");
        } else {
            let _ = writeln!(out, "<p>{}</p>", escape(block));
        }
    }
    out
}
