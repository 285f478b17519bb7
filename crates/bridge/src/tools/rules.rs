//! The rules themselves: data made from profile and configuration.

use super::Pattern;

/// What holds for the tools of one worker program.
#[derive(Debug, Clone, Default)]
pub struct ToolRules {
    /// Tools that a caller who may only read sees: by name, where there is no annotation to be trusted.
    pub reads: Vec<Pattern>,
    /// Whether the program's `readOnlyHint` is honest; where a tool has one, it then counts instead of the name.
    pub trust_annotations: bool,
    /// Tools that belong together.
    pub groups: Vec<ToolGroup>,
    /// If not empty, only these are there.
    pub allow: Vec<Selector>,
    /// These are not there, whatever `allow` says.
    pub deny: Vec<Selector>,
}

/// Tools that belong together, for what they reach.
#[derive(Debug, Clone)]
pub struct ToolGroup {
    /// How it is named in a [`Selector`] and in refusals.
    pub name: String,
    /// The tools.
    pub tools: Vec<Pattern>,
    /// Whether the gateway refuses what they reach, so that they are not shown.
    pub closed: bool,
}

/// Some tools, as an operator names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// By name.
    Name(Pattern),
    /// `@NAME`: a group.
    Group(String),
    /// `@read`: the tools that only read.
    Read,
    /// `@write`: all others.
    Write,
}

/// What is known of a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool<'a> {
    pub(super) name: &'a str,
    pub(super) hint: Hint,
}

/// What the program says of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// No list of this program has been seen yet.
    Unseen,
    /// Nothing.
    None,
    /// `readOnlyHint`.
    ReadOnly(bool),
}

/// Why a caller does not see a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hidden {
    /// `allow` and `deny`.
    ByOperator,
    /// A closed group.
    ByDoor(String),
    /// The caller may only read.
    Writes,
}

// === impl ToolRules ===

impl ToolRules {
    /// Whether the rules hide nothing from a caller who may write.
    pub(super) fn hide_nothing(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty() && self.groups.iter().all(|group| !group.closed)
    }

    pub(super) fn judge(&self, tool: Tool<'_>, may_write: bool) -> Result<(), Hidden> {
        let is_selected = |selectors: &[Selector]| selectors.iter().any(|selector| self.selects(selector, tool));
        if is_selected(&self.deny) || !(self.allow.is_empty() || is_selected(&self.allow)) {
            return Err(Hidden::ByOperator);
        }
        let door = self.groups.iter().find(|group| group.closed && group.has(tool.name));
        if let Some(group) = door {
            return Err(Hidden::ByDoor(group.name.clone()));
        }
        if may_write || self.reads(tool) != Some(false) { Ok(()) } else { Err(Hidden::Writes) }
    }

    /// Whether a tool only reads; `None` if that can't be told yet.
    fn reads(&self, tool: Tool<'_>) -> Option<bool> {
        match tool.hint {
            Hint::ReadOnly(hint) if self.trust_annotations => Some(hint),
            Hint::Unseen if self.trust_annotations => None,
            _ => Some(self.reads.iter().any(|pattern| pattern.matches(tool.name))),
        }
    }

    fn selects(&self, selector: &Selector, tool: Tool<'_>) -> bool {
        match selector {
            Selector::Name(pattern) => pattern.matches(tool.name),
            Selector::Group(name) => self.groups.iter().any(|group| group.name == *name && group.has(tool.name)),
            // What can't be told yet is not let through by a rule that wants to know.
            Selector::Read => self.reads(tool) == Some(true),
            Selector::Write => self.reads(tool) != Some(true),
        }
    }
}

// === impl ToolGroup ===

impl ToolGroup {
    fn has(&self, tool: &str) -> bool {
        self.tools.iter().any(|pattern| pattern.matches(tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ToolRules {
        ToolRules {
            reads: vec!["get_*".into(), "list_*".into()],
            groups: vec![ToolGroup {
                name: "hooks".into(),
                tools: vec!["*_hook".into(), "list_hooks".into()],
                closed: false,
            }],
            ..ToolRules::default()
        }
    }

    fn judged(rules: &ToolRules, name: &str, may_write: bool) -> Result<(), Hidden> {
        rules.judge(Tool { name, hint: Hint::None }, may_write)
    }

    #[test]
    fn without_settings_only_what_writes_is_hidden_and_only_from_who_may_not() {
        let rules = rules();
        assert!(rules.hide_nothing());
        assert_eq!(judged(&rules, "create_issue", true), Ok(()));
        assert_eq!(judged(&rules, "create_issue", false), Err(Hidden::Writes));
        assert_eq!(judged(&rules, "get_issue", false), Ok(()));
        assert_eq!(judged(&rules, "Get_issue", false), Err(Hidden::Writes), "another name");
    }

    #[test]
    fn an_annotation_counts_where_it_is_trusted_and_there() {
        let trusting = ToolRules { trust_annotations: true, ..rules() };
        let judge = |rules: &ToolRules, name, hint| rules.judge(Tool { name, hint }, false);
        assert_eq!(judge(&trusting, "whoami", Hint::ReadOnly(true)), Ok(()));
        assert_eq!(judge(&trusting, "get_and_delete", Hint::ReadOnly(false)), Err(Hidden::Writes));
        assert_eq!(judge(&trusting, "get_issue", Hint::None), Ok(()), "the name counts");
        assert_eq!(judge(&trusting, "whoami", Hint::None), Err(Hidden::Writes));
        assert_eq!(judge(&trusting, "whoami", Hint::Unseen), Ok(()), "the gateway decides");
        assert_eq!(judge(&rules(), "get_issue", Hint::ReadOnly(false)), Ok(()), "forgejo-mcp says it of every tool");
        assert_eq!(judge(&rules(), "delete_repo", Hint::ReadOnly(true)), Err(Hidden::Writes));
    }

    #[test]
    fn deny_wins_over_allow_and_both_take_globs_and_groups() {
        let rules = ToolRules {
            allow: vec![Selector::Read, Selector::Name("create_issue".into()), Selector::Group("hooks".into())],
            deny: vec![Selector::Name("get_secret*".into()), Selector::Group("hooks".into())],
            ..rules()
        };
        for (name, outcome) in [
            ("get_issue", Ok(())),
            ("create_issue", Ok(())),
            ("delete_repo", Err(Hidden::ByOperator)),
            ("get_secrets", Err(Hidden::ByOperator)),
            ("delete_hook", Err(Hidden::ByOperator)),
            ("list_hooks", Err(Hidden::ByOperator)),
        ] {
            assert_eq!(judged(&rules, name, true), outcome, "{name}");
        }
        let no_writes = ToolRules { deny: vec![Selector::Write], ..self::rules() };
        assert_eq!(judged(&no_writes, "create_issue", true), Err(Hidden::ByOperator));
        assert_eq!(judged(&no_writes, "list_repos", true), Ok(()));
        let unseen = ToolRules { trust_annotations: true, ..no_writes };
        let judged = unseen.judge(Tool { name: "whoami", hint: Hint::Unseen }, true);
        assert_eq!(judged, Err(Hidden::ByOperator), "what is not known to read counts as writing");
    }

    #[test]
    fn tools_behind_a_closed_door_are_hidden_from_everybody() {
        let mut rules = rules();
        rules.groups[0].closed = true;
        assert!(!rules.hide_nothing());
        assert_eq!(judged(&rules, "create_hook", true), Err(Hidden::ByDoor("hooks".into())));
        assert_eq!(judged(&rules, "list_hooks", false), Err(Hidden::ByDoor("hooks".into())));
    }
}
