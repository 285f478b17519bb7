//! What clients.md §2 knows of each client.

/// A client in use.
pub(super) struct KnownClient {
    pub(super) name: &'static str,
    /// Where it has its answers sent; a login is played for each.
    pub(super) redirect_uris: &'static [&'static str],
    pub(super) registers: Registers,
    /// With `ISSUER` for the broker's origin.
    pub(super) resource: Option<&'static str>,
    pub(super) scope: Option<&'static str>,
    pub(super) refresh_scope: Option<&'static str>,
    pub(super) authenticates: Authenticates,
    /// Documents that it asks for.
    pub(super) probes: &'static [&'static str],
    /// Uses `/authorize`, `/token` and `/register`, as 2025-03-26 has them.
    pub(super) old_endpoints: bool,
}

/// How a client becomes known.
pub(super) enum Registers {
    /// By a document with these redirect URIs, or those that it uses if there are none.
    Document {
        registered: &'static [&'static str],
    },
    Dynamically(Registration),
}

/// What a client says of itself where it registers.
pub(super) struct Registration {
    /// Empty: those that it uses.
    pub(super) registered: &'static [&'static str],
    /// Empty: it says nothing of them.
    pub(super) grant_types: &'static [&'static str],
    /// How it would like to authenticate.
    pub(super) method: Option<&'static str>,
    /// Further members.
    pub(super) more: &'static str,
    /// So many times in a row.
    pub(super) times: usize,
}

/// How a public client says who it is at the token endpoint.
#[derive(Clone, Copy)]
pub(super) enum Authenticates {
    Body,
    BasicWithEmptySecret,
    /// In both places, the same.
    Both,
}

// === impl KnownClient ===

impl KnownClient {
    /// The redirect URIs that it makes known.
    pub(super) fn registered(&self) -> &'static [&'static str] {
        let (Registers::Document { registered } | Registers::Dynamically(Registration { registered, .. })) =
            &self.registers;
        if registered.is_empty() { self.redirect_uris } else { registered }
    }

    pub(super) fn endpoint(&self, name: &str) -> String {
        if self.old_endpoints { format!("/{name}") } else { format!("/oauth/{name}") }
    }
}

const ALL_PROBES: &[&str] = &[
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
];
const USUAL_PROBES: &[&str] = &["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"];
const OLD_PROBES: &[&str] = &["/.well-known/oauth-authorization-server"];

const DOCUMENT: Registers = Registers::Document { registered: &[] };
const REGISTRATION: Registration = Registration {
    registered: &[],
    grant_types: &["authorization_code", "refresh_token"],
    method: Some("none"),
    more: "{}",
    times: 1,
};

const BASE: KnownClient = KnownClient {
    name: "",
    redirect_uris: &[],
    registers: Registers::Dynamically(REGISTRATION),
    resource: Some("ISSUER/mcp"),
    scope: Some("read write"),
    refresh_scope: None,
    authenticates: Authenticates::Body,
    probes: USUAL_PROBES,
    old_endpoints: false,
};

pub(super) const CLIENTS: &[KnownClient] = &[
    KnownClient {
        name: "claude.ai by document",
        redirect_uris: &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
        registers: DOCUMENT,
        probes: ALL_PROBES,
        ..BASE
    },
    KnownClient {
        // #654: a new registration for each connection, often two; #1056: the UI strips the slash, others add it.
        name: "claude.ai by registration",
        redirect_uris: &["https://claude.ai/api/mcp/auth_callback"],
        registers: Registers::Dynamically(Registration {
            method: Some("client_secret_post"),
            more: r#"{"scope":"read write"}"#,
            times: 2,
            ..REGISTRATION
        }),
        resource: Some("ISSUER/mcp/"),
        authenticates: Authenticates::Both,
        probes: ALL_PROBES,
        ..BASE
    },
    KnownClient {
        // #55954: asks for everything that the metadata names; #89862: refreshes without scope.
        name: "Claude Code by document",
        redirect_uris: &["http://localhost:3118/callback", "http://127.0.0.1:54545/callback"],
        registers: Registers::Document { registered: &["http://localhost/callback", "http://127.0.0.1/callback"] },
        scope: Some("read write offline_access"),
        ..BASE
    },
    KnownClient {
        name: "Claude Code by registration",
        redirect_uris: &["http://localhost:54212/callback"],
        scope: Some("read write offline_access"),
        ..BASE
    },
    KnownClient {
        name: "ChatGPT by registration",
        redirect_uris: &[
            "https://chatgpt.com/connector/oauth/abc123",
            "https://chatgpt.com/connector_platform_oauth_redirect",
        ],
        registers: Registers::Dynamically(Registration { method: Some("client_secret_basic"), ..REGISTRATION }),
        scope: Some("read write offline_access"),
        probes: ALL_PROBES,
        ..BASE
    },
    KnownClient {
        // #30460: a path of its own behind the port; #31038: the host switches.
        name: "Codex CLI by document",
        redirect_uris: &["http://127.0.0.1:41234/callback/k3jf", "http://localhost:41234/callback/k3jf"],
        registers: Registers::Document {
            registered: &["http://127.0.0.1/callback/k3jf", "http://localhost/callback/k3jf"],
        },
        ..BASE
    },
    KnownClient {
        // A scope that only its own servers know.
        name: "Codex CLI by registration",
        redirect_uris: &["http://127.0.0.1:41235/callback/k3jf"],
        registers: Registers::Dynamically(Registration { more: r#"{"application_type":"native"}"#, ..REGISTRATION }),
        scope: Some("read write mcp:connect"),
        ..BASE
    },
    KnownClient {
        // #278512: the port is another one if the usual one is taken.
        name: "VS Code by document",
        redirect_uris: &[
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
            "http://127.0.0.1:33418/",
            "http://127.0.0.1:51111/",
            "http://127.0.0.1:33418",
        ],
        registers: Registers::Document {
            registered: &[
                "https://vscode.dev/redirect",
                "https://insiders.vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
        },
        ..BASE
    },
    KnownClient {
        name: "VS Code by registration",
        redirect_uris: &["https://vscode.dev/redirect", "http://127.0.0.1:33418/"],
        registers: Registers::Dynamically(Registration {
            registered: &[
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            grant_types: &["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            more: r#"{"application_type":"native"}"#,
            ..REGISTRATION
        }),
        ..BASE
    },
    KnownClient {
        // All three in one request; the private one is on the operator's list, as in the shipped example.
        name: "Cursor",
        redirect_uris: &[
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
        resource: None,
        scope: None,
        ..BASE
    },
    KnownClient {
        name: "mcp-remote",
        redirect_uris: &["http://localhost:3335/oauth/callback", "http://localhost:49150/oauth/callback"],
        registers: Registers::Dynamically(Registration {
            registered: &["http://localhost:3335/oauth/callback"],
            more: r#"{"client_uri":"https://github.com/modelcontextprotocol/mcp-cli","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.15.1"}"#,
            ..REGISTRATION
        }),
        ..BASE
    },
    KnownClient {
        // Before the resource parameter, with the paths that 2025-03-26 prescribes.
        name: "mcp-remote of 2025-03-26",
        redirect_uris: &["http://localhost:3336/oauth/callback"],
        resource: None,
        scope: None,
        probes: OLD_PROBES,
        old_endpoints: true,
        ..BASE
    },
    KnownClient {
        name: "Gemini CLI",
        redirect_uris: &["http://localhost:7777/oauth/callback", "http://localhost:39321/oauth/callback"],
        registers: Registers::Dynamically(Registration {
            registered: &["http://localhost:7777/oauth/callback"],
            more: r#"{"scope":"read write"}"#,
            ..REGISTRATION
        }),
        probes: ALL_PROBES,
        ..BASE
    },
    KnownClient {
        // boardoil#11: no scope at all, so that the default has to be of use.
        name: "Copilot CLI",
        redirect_uris: &["http://127.0.0.1:40404/"],
        registers: Registers::Dynamically(Registration { grant_types: &[], method: None, ..REGISTRATION }),
        resource: None,
        scope: None,
        ..BASE
    },
    KnownClient {
        // #9705: always Basic on refresh, with what it takes for a secret.
        name: "LibreChat",
        redirect_uris: &["https://chat.example.org/api/mcp/forgejo/oauth/callback"],
        registers: Registers::Dynamically(Registration { method: Some("client_secret_basic"), ..REGISTRATION }),
        refresh_scope: Some("read write"),
        authenticates: Authenticates::BasicWithEmptySecret,
        ..BASE
    },
    KnownClient {
        name: "Open WebUI",
        redirect_uris: &["https://webui.example.org/oauth/clients/mcp:forgejo/callback"],
        registers: Registers::Dynamically(Registration { method: Some("client_secret_post"), ..REGISTRATION }),
        resource: Some("ISSUER"),
        scope: Some("openid profile read write"),
        ..BASE
    },
    KnownClient {
        name: "opencode",
        redirect_uris: &["http://127.0.0.1:19876/mcp/oauth/callback"],
        registers: DOCUMENT,
        refresh_scope: Some("read write offline_access"),
        ..BASE
    },
    KnownClient {
        name: "Grok",
        redirect_uris: &["https://grok.com/connectors-oauth-exchange-code/"],
        registers: Registers::Document {
            registered: &[
                "https://grok.com/connectors-oauth-exchange-code/",
                "https://console.x.ai/connectors-oauth-exchange-code/",
            ],
        },
        resource: Some("ISSUER/"),
        ..BASE
    },
    KnownClient {
        name: "Antigravity",
        redirect_uris: &["https://antigravity.google/oauth-callback"],
        registers: Registers::Dynamically(Registration { method: None, ..REGISTRATION }),
        ..BASE
    },
];
