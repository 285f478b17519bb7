//! Who may use which of the worker's tools, as the bridge asks it, and the audit of their calls.

use bridge::profile::WorkerProfile;
use bridge::reply::Principal;
use bridge::tools::{ToolCall, ToolGroup, ToolPolicy, ToolRules};
use oauth::scope::Access;

use crate::audit::{Audit, Entry};
use crate::config::Config;
use crate::live_grants::LiveGrants;

/// Longest name of a tool that is written down, in characters.
const LONGEST_NAME: usize = 128;

/// What grants allow, and where calls are written down.
pub(crate) struct GrantTools {
    pub(crate) grants: LiveGrants,
    pub(crate) audit: Audit,
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
        let tool: String = call.tool.chars().map(shown).take(LONGEST_NAME).collect();
        let entry = Entry {
            actor: Some(&call.who.user),
            client: Some(&call.who.client),
            subject: Some(&call.who.grant),
            detail: Some(&tool),
            duration: Some(call.took),
            ..Entry::default()
        };
        self.audit.record("tool_called", call.outcome.as_str(), &entry);
    }
}

/// The client chose the name. What no tool's name is made of stays out of logs and pages.
fn shown(c: char) -> char {
    if c.is_ascii_graphic() { c } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_may_hide_in_a_name_is_not_written_down() {
        let name: String = "a\n\u{202e}\u{1b}[31mé b".chars().map(shown).collect();
        assert_eq!(name, "a???[31m??b");
    }
}
