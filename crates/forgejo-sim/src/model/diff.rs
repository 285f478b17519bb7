//! One file's change and its unified diff.

use std::fmt::Write as _;

use bytes::Bytes;

use super::git::blob_id;

/// What became of one file between two commits.
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Option<Bytes>,
}

// === impl Change ===

impl Change {
    pub(crate) fn status(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (_, None) => "deleted",
            _ => "changed",
        }
    }

    /// Lines added and removed.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let (old, new) = (lines(self.before.as_ref()), lines(self.after.as_ref()));
        let (head, tail) = common(&old, &new);
        (new.len() - head - tail, old.len() - head - tail)
    }

    /// The change as a unified diff with one hunk and three lines of context.
    pub(crate) fn diff(&self) -> String {
        let path = &self.path;
        let mut out = format!("diff --git a/{path} b/{path}\n");
        let id = |content: Option<&Bytes>| content.map_or_else(|| "0".repeat(40), |bytes| blob_id(bytes));
        let (from, to) = (id(self.before.as_ref()), id(self.after.as_ref()));
        let (mode, old_name, new_name) = match (&self.before, &self.after) {
            (None, _) => ("new file mode 100644\n", "/dev/null".to_owned(), format!("b/{path}")),
            (_, None) => ("deleted file mode 100644\n", format!("a/{path}"), "/dev/null".to_owned()),
            _ => ("", format!("a/{path}"), format!("b/{path}")),
        };
        let kept_mode = if mode.is_empty() { " 100644" } else { "" };
        let _ = writeln!(out, "{mode}index {}..{}{kept_mode}", &from[..10], &to[..10]);
        let _ = writeln!(out, "--- {old_name}\n+++ {new_name}");
        self.hunk(&mut out);
        out
    }

    fn hunk(&self, out: &mut String) {
        let (old, new) = (lines(self.before.as_ref()), lines(self.after.as_ref()));
        let (head, tail) = common(&old, &new);
        let start = head - head.min(3);
        let end_kept = tail.min(3);
        let (old_end, new_end) = (old.len() - tail, new.len() - tail);
        let (old_count, new_count) = (old_end + end_kept - start, new_end + end_kept - start);
        let at = |count: usize| if count == 0 { 0 } else { start + 1 };
        let _ = writeln!(out, "@@ -{},{old_count} +{},{new_count} @@", at(old_count), at(new_count));
        let parts = [
            (" ", &old[start..head]),
            ("-", &old[head..old_end]),
            ("+", &new[head..new_end]),
            (" ", &old[old_end..old_end + end_kept]),
        ];
        for (mark, line) in parts.iter().flat_map(|(mark, list)| list.iter().map(move |line| (mark, line))) {
            let _ = writeln!(out, "{mark}{line}");
        }
    }
}

fn lines(content: Option<&Bytes>) -> Vec<&str> {
    let text = content.and_then(|content| std::str::from_utf8(content).ok());
    text.map(|text| text.lines().collect()).unwrap_or_default()
}

/// Lengths of the common head and tail of two lists.
fn common(old: &[&str], new: &[&str]) -> (usize, usize) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let from_end = old.iter().rev().zip(new.iter().rev()).take(rest);
    (head, from_end.take_while(|(a, b)| a == b).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&'static str>, after: Option<&'static str>) -> Change {
        let bytes = |text: Option<&'static str>| text.map(|text| Bytes::from_static(text.as_bytes()));
        Change { path: "f".to_owned(), before: bytes(before), after: bytes(after) }
    }

    #[test]
    fn a_diff_shows_the_changed_lines_between_their_neighbours() {
        let changed = change(Some("a\nb\nc\n"), Some("a\nB\nc\n"));
        assert_eq!(changed.counts(), (1, 1));
        assert!(changed.diff().ends_with("--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"), "{}", changed.diff());
    }

    #[test]
    fn a_new_file_comes_from_nothing_and_a_deleted_one_goes_there() {
        assert!(change(None, Some("a\n")).diff().ends_with("--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n"));
        assert!(change(Some("a\n"), None).diff().ends_with("--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"));
    }
}
