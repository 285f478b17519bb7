//! Which of the worker's tools there are.

use bridge::tools::{Pattern, Selector};
use forgejo::gateway::DoorGroup;

use super::ToolsConfig;
use super::build::truth;
use super::problem::Fault;
use super::reader::Reader;
use super::settings as s;

/// Reads the group.
pub(super) fn tools(reader: &mut Reader<'_>) -> Option<ToolsConfig> {
    let allow = reader.list(&s::TOOLS_ALLOW, selector);
    let deny = reader.list(&s::TOOLS_DENY, selector);
    let read_only = reader.list(&s::TOOLS_READ_ONLY, pattern);
    let trust_annotations = reader.optional(&s::TOOLS_TRUST_ANNOTATIONS, truth);
    Some(ToolsConfig {
        allow: allow?,
        deny: deny?,
        read_only: Some(read_only?).filter(|_| reader.is_set(&s::TOOLS_READ_ONLY)),
        trust_annotations: trust_annotations.ok()?,
    })
}

fn selector(text: &str) -> Result<Selector, Fault> {
    match text.strip_prefix('@') {
        None => pattern(text).map(Selector::Name),
        Some("read") => Ok(Selector::Read),
        Some("write") => Ok(Selector::Write),
        Some(group) => match group.parse::<DoorGroup>() {
            Ok(group) => Ok(Selector::Group(group.name().to_owned())),
            Err(error) => Err(Fault::new(error.to_string(), "write @read, @write, or @ with one of these groups")),
        },
    }
}

fn pattern(text: &str) -> Result<Pattern, Fault> {
    let wrong = match text {
        "" => "a pattern is empty".to_owned(),
        _ if text.contains(char::is_whitespace) => format!("`{text}` has white space, which no name of a tool has"),
        _ if text.contains(['[', ']', '{', '}', '\\']) => {
            format!("`{text}` has brackets or a backslash, which mean nothing here")
        }
        _ => return Ok(Pattern::from(text)),
    };
    Err(Fault::new(wrong, "write the name of a tool; * stands for any characters, ? for one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_a_pattern_or_a_group() {
        assert_eq!(selector("get_*"), Ok(Selector::Name("get_*".into())));
        assert_eq!(selector("@write"), Ok(Selector::Write));
        assert_eq!(selector("@read"), Ok(Selector::Read));
        assert_eq!(selector("@Hooks"), Ok(Selector::Group("hooks".into())));
        for bad in ["", "@", "@nothing", "get_ *", "get_[ab]", "{a,b}", "a\\*"] {
            assert!(selector(bad).is_err(), "{bad}");
        }
    }
}
