//! From what requests say to words of ours.

use http::{Method, StatusCode};

/// The statuses that the program answers with; others are counted by their hundred.
const STATUSES: [(u16, &str); 22] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// Routes of the router, as it writes them.
const ROUTES: [&str; 29] = [
    "/mcp",
    "/mcp/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/mcp/",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
    "/.well-known/{*rest}",
    "/oauth/register",
    "/oauth/token",
    "/oauth/revoke",
    "/register",
    "/token",
    "/oauth/authorize",
    "/authorize",
    "/oauth/callback",
    "/oauth/repositories/{id}",
    "/account",
    "/account/login",
    "/account/logout",
    "/account/end",
    "/account/activity",
    "/account/connections/{id}",
    "/account/repositories/{id}",
    "/healthz",
    "/readyz",
];

/// What clients call themselves contains this, in lower case; the first that fits counts.
const FAMILIES: [(&str, &str); 28] = [
    ("claude code", "claude-code"),
    ("claude-code", "claude-code"),
    ("claude", "claude"),
    ("anthropic", "claude"),
    ("chatgpt", "chatgpt"),
    ("openai", "chatgpt"),
    ("codex", "codex"),
    ("visual studio code", "vscode"),
    ("vscode", "vscode"),
    ("copilot", "copilot"),
    ("cursor", "cursor"),
    ("windsurf", "windsurf"),
    ("gemini", "gemini"),
    ("mcp cli proxy", "mcp-remote"),
    ("mcp-remote", "mcp-remote"),
    ("inspector", "inspector"),
    ("jetbrains", "jetbrains"),
    ("intellij", "jetbrains"),
    ("zed", "zed"),
    ("goose", "goose"),
    ("cline", "cline"),
    ("librechat", "librechat"),
    ("open webui", "open-webui"),
    ("fastmcp", "fastmcp"),
    ("opencode", "opencode"),
    ("n8n", "n8n"),
    ("rmcp", "rmcp"),
    ("continue", "continue"),
];

/// A status as a label.
pub(crate) fn status(status: StatusCode) -> &'static str {
    let code = status.as_u16();
    let known = STATUSES.iter().find(|(known, _)| *known == code);
    known.map_or(
        match code / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        },
        |(_, word)| word,
    )
}

/// A method as a label.
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// A route's template as a label.
pub(crate) fn route(matched: Option<&str>) -> &'static str {
    match matched {
        None => "unmatched",
        Some("/") => "/",
        Some(template) => ROUTES.iter().find(|known| **known == template).copied().unwrap_or("page"),
    }
}

/// The limit that a 429 of this route is about.
pub(crate) fn limit_of(route: &str) -> Option<&'static str> {
    match route {
        "/oauth/register" | "/register" => Some("rate-limit-register"),
        "/oauth/token" | "/token" | "/oauth/revoke" => Some("rate-limit-token"),
        "/oauth/authorize" | "/authorize" | "/oauth/callback" => Some("rate-limit-authorize"),
        _ => None,
    }
}

/// The family of a client by the name that it registered with. Anybody may register under any name: it tells what is in use, it
/// proves nothing.
pub(crate) fn client_family(name: Option<&str>) -> &'static str {
    let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
        return "unnamed";
    };
    let name = name.to_lowercase();
    FAMILIES.iter().find(|(part, _)| name.contains(part)).map_or("other", |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_sorted_by_name_and_strangers_share_one_word() {
        for (name, family) in [
            (Some("Claude"), "claude"),
            (Some("Claude Code (forgejo)"), "claude-code"),
            (Some("Visual Studio Code"), "vscode"),
            (Some("MCP CLI Proxy"), "mcp-remote"),
            (Some("x\u{202e}\n\"} 1"), "other"),
            (Some("  "), "unnamed"),
            (None, "unnamed"),
        ] {
            assert_eq!(client_family(name), family, "{name:?}");
        }
    }

    #[test]
    fn any_status_and_any_method_has_a_word() {
        let statuses: std::collections::HashSet<_> =
            (100..1000).filter_map(|code| StatusCode::from_u16(code).ok()).map(status).collect();
        assert!(statuses.len() <= STATUSES.len() + 5, "{statuses:?}");
        assert_eq!(method(&Method::from_bytes(b"MADE-UP").unwrap()), "other");
    }

    #[test]
    fn every_machine_facing_route_of_the_router_is_known_by_its_name() {
        let source = include_str!("../router.rs");
        let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next());
        let unknown: Vec<&str> = routes.filter(|path| *path != "/" && route(Some(path)) == "page").collect();
        assert!(unknown.is_empty(), "name them in ROUTES: {unknown:?}");
    }
}
