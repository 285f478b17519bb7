//! How each client is told our address. The landing page shows these; so can a command.

use serde_json::json;

/// What to do in one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The client's name.
    pub client: &'static str,
    /// What to do, one sentence.
    pub how: &'static str,
    /// What to type or paste; may be empty.
    pub text: String,
    /// What to do afterwards; may be empty.
    pub then: &'static str,
}

/// The recipes for the MCP endpoint at this URL.
#[must_use]
pub fn recipes(mcp_url: &str) -> Vec<Recipe> {
    let servers = |key: &str, server: serde_json::Value| format!("{:#}", json!({ key: { "forgejo": server } }));
    vec![
        Recipe {
            client: "Claude (web, desktop, mobile)",
            how: "In the settings under Connectors, add a custom connector with this address.",
            text: mcp_url.to_owned(),
            then: "Then choose Connect.",
        },
        Recipe {
            client: "Claude Code",
            how: "Run this in a terminal.",
            text: format!("claude mcp add --transport http forgejo {mcp_url}"),
            then: "Then type /mcp in Claude Code, choose forgejo and authenticate.",
        },
        Recipe {
            client: "ChatGPT",
            how: "In the settings under Connectors, switch on developer mode (advanced settings) and create a connector with this address and OAuth.",
            text: mcp_url.to_owned(),
            then: "",
        },
        Recipe {
            client: "VS Code",
            how: "Run this in a terminal, or put the part in braces under servers in .vscode/mcp.json.",
            text: format!("code --add-mcp '{}'", json!({ "name": "forgejo", "type": "http", "url": mcp_url })),
            then: "Then start the server from the list of MCP servers.",
        },
        Recipe {
            client: "Cursor",
            how: "Put this into ~/.cursor/mcp.json, or .cursor/mcp.json in a project.",
            text: servers("mcpServers", json!({ "url": mcp_url })),
            then: "Then log in from Cursor's MCP settings.",
        },
        Recipe {
            client: "Codex",
            how: "Run this in a terminal.",
            text: format!("codex mcp add forgejo --url {mcp_url}\ncodex mcp login forgejo"),
            then: "",
        },
        Recipe {
            client: "Gemini CLI",
            how: "Run this in a terminal.",
            text: format!("gemini mcp add --transport http forgejo {mcp_url}"),
            then: "Then type /mcp auth forgejo in Gemini CLI.",
        },
        Recipe {
            client: "Any other client, by mcp-remote",
            how: "A client that only starts local programs is connected by mcp-remote (needs Node.js). Put this into its configuration.",
            text: servers("mcpServers", json!({ "command": "npx", "args": ["-y", "mcp-remote", mcp_url] })),
            then: "",
        },
    ]
}
