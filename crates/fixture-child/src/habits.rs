//! What differs between the two measured releases.

use clap::ValueEnum;

/// A measured release of forgejo-mcp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Habits {
    /// 2.18.0, built on mcp-go 0.44.
    #[value(name = "2.18.0")]
    V2_18_0,
    /// 2.34.1, built on mcp-go 0.58.
    #[value(name = "2.34.1")]
    V2_34_1,
}

// === impl Habits ===

impl Habits {
    /// The version that serverInfo and User-Agent name.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V2_18_0 => "2.18.0",
            Self::V2_34_1 => "2.34.1",
        }
    }

    /// The second API call of a start: 2.18.0 asks for the user, 2.34.1 for the version again.
    pub(crate) fn second_probe(self) -> &'static str {
        match self {
            Self::V2_18_0 => "/api/v1/user",
            Self::V2_34_1 => "/api/v1/version",
        }
    }

    /// Whether resources are offered at all.
    pub(crate) fn has_resources(self) -> bool {
        self == Self::V2_34_1
    }

    /// Whether a panicking tool is caught (and answered with id null) or takes the process down.
    pub(crate) fn survives_panic(self) -> bool {
        self == Self::V2_34_1
    }

    /// How decoding errors of tools/call name the params.
    pub(crate) fn call_params_field(self) -> &'static str {
        match self {
            Self::V2_18_0 => "CallToolRequest.params of type mcp.CallToolParams",
            Self::V2_34_1 => "CallToolRequest.params of type mcp.params",
        }
    }

    /// How decoding errors of tools/call name the tool's name.
    pub(crate) fn call_name_field(self) -> &'static str {
        match self {
            Self::V2_18_0 => "CallToolParams.params.name of type string",
            Self::V2_34_1 => "CallToolRequest.params.name of type string",
        }
    }

    /// Whether repeated params of tools/call are merged (mcp-go 0.44) or the last ones count (0.58).
    pub(crate) fn merges_call_params(self) -> bool {
        self == Self::V2_18_0
    }

    /// Measured length of the tools/list line, newline included.
    pub(crate) fn tool_list_bytes(self) -> usize {
        match self {
            Self::V2_18_0 => 43_282,
            Self::V2_34_1 => 90_470,
        }
    }

    /// Names of the real tools, sorted, one a line.
    pub(crate) fn tool_names(self) -> &'static str {
        match self {
            Self::V2_18_0 => include_str!("../data/tools-2.18.0.txt"),
            Self::V2_34_1 => include_str!("../data/tools-2.34.1.txt"),
        }
    }

    /// Where in the Go sources a start fails: (function, file and line) from the innermost out.
    pub(crate) fn start_stack(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::V2_18_0 => &[
                ("forgejo-mcp/v2/pkg/forgejo.Client.func1", "forgejo/forgejo.go:40"),
                ("sync.(*Once).doSlow", "sync/once.go:78"),
                ("forgejo-mcp/v2/operation.Run", "operation/operation.go:104"),
                ("forgejo-mcp/v2/cmd.Execute", "cmd/cmd.go:250"),
                ("main.main", "main.go:17"),
                ("runtime.main", "runtime/proc.go:290"),
            ],
            Self::V2_34_1 => &[
                ("forgejo-mcp/v2/operation.Run", "operation/operation.go:161"),
                ("forgejo-mcp/v2/cmd.Execute", "cmd/cmd.go:259"),
                ("main.main", "main.go:17"),
                ("runtime.main", "runtime/proc.go:290"),
            ],
        }
    }
}
