//! Who may use which of the worker's tools, as the bridge asks it, and the audit of their calls.

use std::sync::Arc;

use bridge::profile::WorkerProfile;
use bridge::reply::Principal;
use bridge::tools::{ToolCall, ToolGroup, ToolPolicy, ToolRules, Tools};
use oauth::scope::Access;

use crate::audit::{Audit, Entry};
use crate::config::Config;
use crate::live_grants::LiveGrants;

/// What grants allow, and where calls are written down.
struct GrantTools {
    grants: LiveGrants,
    audit: Audit,
}

/// Everything that the bridge has to know of a program's tools.
pub(crate) fn of(config: &Config, profile: &WorkerProfile, grants: &LiveGrants, audit: &Audit) -> Tools {
    let policy = GrantTools { grants: grants.clone(), audit: audit.clone() };
    Tools { rules: rules(config, profile), policy: Arc::new(policy) }
}

/// The profile's marks with the operator's changes in them.
pub(crate) fn rules(config: &Config, profile: &WorkerProfile) -> ToolRules {
    let (marks, settings) = (&profile.tools, &config.tools);
    let is_open = |group: &str| config.gateway.open_doors.iter().any(|open| open == group);
    ToolRules {
        reads: settings.read_only.clone().unwrap_or_else(|| marks.reads.clone()),
        trust_annotations: settings.trust_annotations.unwrap_or(marks.trust_annotations),
        groups: marks
            .doors
            .iter()
            .map(|(name, tools)| ToolGroup { name: name.clone(), tools: tools.clone(), closed: !is_open(name) })
            .collect(),
        allow: settings.allow.clone(),
        deny: settings.deny.clone(),
    }
}

// === impl GrantTools ===

impl ToolPolicy for GrantTools {
    fn may_write(&self, who: &Principal) -> bool {
        self.grants.get(&who.grant).is_some_and(|live| live.access().scope.access() == Access::Write)
    }

    fn called(&self, call: &ToolCall<'_>) {
        let entry = Entry {
            actor: Some(&call.who.user),
            client: Some(&call.who.client),
            subject: Some(&call.who.grant),
            detail: Some(call.tool),
            duration: Some(call.took),
            ..Entry::default()
        };
        self.audit.record("tool_called", call.outcome.as_str(), &entry);
    }
}
