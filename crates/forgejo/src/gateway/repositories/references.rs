//! References in texts that people write: Forgejo turns `owner/name#1` and links to issues in titles, comments and commit messages into
//! events of the other repository, and with a word like "closes" before them it closes the issue there.

use std::collections::BTreeSet;

use super::super::path::RepositoryName;

/// What stands between a repository's name and an issue's number in a reference.
const MARKS: [char; 2] = ['#', '!'];
/// The same in a link.
const PAGES: [&str; 2] = ["/issues/", "/pulls/"];

/// In the address of a file at a commit. Where a text is rendered, lines of that file are shown in place of the address.
const FILE: &str = "/src/commit/";

/// Adds the repositories of whose files `text`, once rendered, may show lines.
pub(super) fn find_previews(text: &str, found: &mut BTreeSet<RepositoryName>) {
    for (at, _) in text.match_indices(FILE) {
        let mut before = text[..at].rsplit(|char| !is_name_char(char));
        let (Some(name), Some(owner)) = (before.next(), before.next()) else { continue };
        if !owner.is_empty() && !name.is_empty() {
            found.insert(RepositoryName { owner: owner.to_lowercase(), name: name.to_lowercase() });
        }
    }
}

/// Adds the repositories whose issues `text` refers to. Rather one too many: a name that is none does no harm.
pub(super) fn find(text: &str, found: &mut BTreeSet<RepositoryName>) {
    find_plain(text, found);
    // Forgejo reads the text without its markup, so a name may be joined of parts.
    if text.contains(['*', '`', '~', '\\', '<']) {
        find_plain(&without_markup(text), found);
    }
}

fn find_plain(text: &str, found: &mut BTreeSet<RepositoryName>) {
    for (at, _) in text.match_indices('/') {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let owner = &before[before.rfind(|char| !is_name_char(char)).map_or(0, |end| end + width_at(before, end))..];
        let name = &after[..after.find(|char| !is_name_char(char)).unwrap_or(after.len())];
        let rest = &after[name.len()..];
        if !owner.is_empty() && !name.is_empty() && names_an_issue(rest) {
            found.insert(RepositoryName { owner: owner.to_lowercase(), name: name.to_lowercase() });
        }
    }
}

fn names_an_issue(rest: &str) -> bool {
    let number = rest.strip_prefix(MARKS).or_else(|| PAGES.iter().find_map(|page| rest.strip_prefix(page)));
    number.is_some_and(|number| number.starts_with(|char: char| char.is_ascii_alphanumeric()))
}

/// Letters, digits, `-`, `_` and `.`: what repositories and their owners can be called.
fn is_name_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

fn width_at(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '*' | '`' | '~' | '\\' => {}
            '<' => {
                // A tag, if it ends; what only looks like one is found in the text as it is.
                let ahead: String = rest.clone().take_while(|char| *char != '>').collect();
                if rest.clone().nth(ahead.chars().count()) == Some('>') {
                    rest.nth(ahead.chars().count());
                }
            }
            char => plain.push(char),
        }
    }
    plain
}

#[cfg(test)]
pub(in crate::gateway) mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        find(text, &mut found);
        found.into_iter().map(|name| format!("{}/{}", name.owner, name.name)).collect()
    }

    #[test]
    pub(in crate::gateway) fn references_to_issues_of_other_repositories_are_found() {
        for text in [
            "alice/priv#1",
            "closes alice/priv#1.",
            "(Alice/PRIV!12)",
            "see https://git.example/alice/priv/issues/3#issuecomment-4",
            "[x](https://git.example/sub/alice/priv/pulls/3)",
            "fixes ALICE/priv#ABC-1",
            "ä alice/priv#1",
            "al*i*ce/pr**iv**#1",
            "alice/<b></b>priv#1",
            "alice\\/priv\\#1",
        ] {
            assert!(names(text).contains(&"alice/priv".to_owned()), "{text}: {:?}", names(text));
        }
    }

    #[test]
    pub(in crate::gateway) fn addresses_of_files_that_would_be_shown_are_found() {
        let mut found = BTreeSet::new();
        let text = "see https://git.example/sub/Alice/Priv/src/commit/0123abcd/secret.txt#L1-L9 and [x](/bob/b.c/src/commit/1)";
        find_previews(text, &mut found);
        let names: Vec<_> = found.iter().map(|name| format!("{}/{}", name.owner, name.name)).collect();
        assert_eq!(names, ["alice/priv", "bob/b.c"]);
        find_previews("/src/commit/ x/src/commit/ https://git.example/alice/priv/src/branch/main/a#L1", &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn ordinary_text_names_nothing() {
        for text in [
            "",
            "/",
            "#1 and !2",
            "src/main.rs",
            "and/or",
            "https://git.example/alice/priv",
            "https://git.example/alice/priv/src/branch/main",
            "a < b > c/d",
            "1/2 # 3",
            "alice/ä#1",
            "alice/priv# 1",
        ] {
            assert!(names(text).is_empty(), "{text}: {:?}", names(text));
        }
    }
}
