//! The command line and environment: forgejo-mcp's own, and the fixture's switches.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};

use crate::habits::Habits;

/// What the program was told. Variables that are present but empty count as unset, as in forgejo-mcp.
#[derive(Clone, Parser)]
#[command(name = "fixture-child", version, about)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent switch of the command line")]
pub(crate) struct Options {
    /// Which forgejo-mcp release to resemble
    #[arg(long, env = "FIXTURE_CHILD_HABITS", default_value = "2.18.0", value_enum)]
    pub(crate) habits: Habits,

    /// Address of Forgejo, http or https
    #[arg(long, env = "FORGEJO_URL", default_value = "", hide_env_values = true)]
    pub(crate) url: String,

    /// Address of Forgejo where `FORGEJO_URL` is unset (forgejo-mcp's deprecated name)
    #[arg(long, env = "GITEA_HOST", default_value = "", hide = true)]
    pub(crate) gitea_host: String,

    /// Token for Forgejo's API
    #[arg(long, env = "FORGEJO_ACCESS_TOKEN", default_value = "", hide_env_values = true)]
    pub(crate) token: String,

    /// Token where `FORGEJO_ACCESS_TOKEN` is unset
    #[arg(long, env = "GITEA_ACCESS_TOKEN", default_value = "", hide = true, hide_env_values = true)]
    pub(crate) gitea_token: String,

    /// User-Agent of API calls
    #[arg(long, env = "FORGEJO_USER_AGENT", default_value = "")]
    pub(crate) user_agent: String,

    /// Transport; only stdio exists here
    #[arg(short = 't', long, default_value = "stdio", value_parser = ["stdio"])]
    pub(crate) transport: String,

    /// Accepted and without effect, as in forgejo-mcp
    #[arg(short = 'd', long)]
    pub(crate) debug: bool,

    /// Make no API call before reading stdin
    #[arg(long, env = "FIXTURE_CHILD_NO_PROBES")]
    pub(crate) no_probes: bool,

    /// Wait so long before the first API call
    #[arg(long, value_name = "MS", env = "FIXTURE_CHILD_START_DELAY_MS", default_value_t = 0)]
    pub(crate) start_delay_ms: u64,

    /// Never read stdin and never answer
    #[arg(long, env = "FIXTURE_CHILD_START_HANG")]
    pub(crate) start_hang: bool,

    /// Exit at once with this status
    #[arg(long, value_name = "STATUS", env = "FIXTURE_CHILD_START_EXIT")]
    pub(crate) start_exit: Option<u8>,

    /// Keep numeric ids and progress tokens as they were written instead of passing them through a float64
    #[arg(long, env = "FIXTURE_CHILD_EXACT_IDS")]
    pub(crate) exact_ids: bool,

    /// Workers for tools/call
    #[arg(long, value_name = "N", env = "FIXTURE_CHILD_WORKERS", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) workers: u8,

    /// Size of the tools/list line for a request with a one-digit id, padded with forgejo-mcp's tool names and text;
    /// 0 lists only the tools that do something
    #[arg(long, value_name = "BYTES", env = "FIXTURE_CHILD_TOOL_LIST_BYTES")]
    pub(crate) tool_list_bytes: Option<usize>,

    /// Tools per page of tools/list; 0 puts all on one page
    #[arg(long, value_name = "N", env = "FIXTURE_CHILD_PAGE_SIZE", default_value_t = 0)]
    pub(crate) page_size: usize,

    /// File with the names of further tools, one a line, read at start: a list that differs from start to start
    #[arg(long, value_name = "FILE", env = "FIXTURE_CHILD_EXTRA_TOOLS")]
    pub(crate) extra_tools: Option<PathBuf>,

    /// Offer resources with subscriptions, and the resource `fixture://note`
    #[arg(long, env = "FIXTURE_CHILD_SUBSCRIBE")]
    pub(crate) subscribe: bool,

    /// Whether the attachment download tools are there; by default 2.34.1 has them and 2.18.0 has not
    #[arg(long, action = ArgAction::Set, value_name = "BOOL", env = "FIXTURE_CHILD_DOWNLOADS")]
    pub(crate) downloads: Option<bool>,

    /// Answer a cancelled `slow` call at once with an error, as a well-behaved server would
    #[arg(long, env = "FIXTURE_CHILD_OBEY_CANCEL")]
    pub(crate) obey_cancel: bool,

    /// Stay alive on SIGTERM and SIGINT
    #[arg(long, env = "FIXTURE_CHILD_IGNORE_SIGTERM")]
    pub(crate) ignore_sigterm: bool,

    /// Stay alive when stdin ends
    #[arg(long, env = "FIXTURE_CHILD_IGNORE_EOF")]
    pub(crate) ignore_eof: bool,

    /// Do nothing for so many seconds, then exit: what the `grandchild` tool starts
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub(crate) linger: Option<u64>,
}

// === impl Options ===

impl Options {
    /// Forgejo's address without trailing slash.
    pub(crate) fn forgejo_url(&self) -> &str {
        let chosen = if self.url.is_empty() { &self.gitea_host } else { &self.url };
        chosen.trim_end_matches('/')
    }

    /// The token, empty for anonymous use.
    pub(crate) fn access_token(&self) -> &str {
        if self.token.is_empty() { &self.gitea_token } else { &self.token }
    }

    /// The User-Agent header of API calls.
    pub(crate) fn agent(&self) -> String {
        if self.user_agent.is_empty() {
            format!("forgejo-mcp/{}", self.habits.version())
        } else {
            self.user_agent.clone()
        }
    }

    /// Whether the tools that hand out the token are offered.
    pub(crate) fn has_downloads(&self) -> bool {
        self.downloads.unwrap_or(self.habits == Habits::V2_34_1)
    }

    /// Length of the tools/list line to reach.
    pub(crate) fn tool_list_size(&self) -> usize {
        self.tool_list_bytes.unwrap_or_else(|| self.habits.tool_list_bytes())
    }

    pub(crate) fn start_delay(&self) -> Duration {
        Duration::from_millis(self.start_delay_ms)
    }
}
