//! A repository's content: branches, tags, commits with whole trees.
//!
//! Blob ids are git's own; tree and commit ids are SHA-1 over their content, stable but not git's.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;

/// Path to content.
pub(crate) type Tree = BTreeMap<String, Bytes>;

#[derive(Clone, Default)]
pub(crate) struct Git {
    pub(crate) branches: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) commits: BTreeMap<String, Commit>,
}

#[derive(Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: Arc<Tree>,
    pub(crate) message: String,
    pub(crate) author_name: String,
    pub(crate) author_email: String,
    pub(crate) time: i64,
    pub(crate) parents: Vec<String>,
}

/// Who commits, when and why.
pub(crate) struct Signature<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) time: i64,
    pub(crate) message: &'a str,
}

// === impl Git ===

impl Git {
    /// The commit that a branch, tag or commit id (7 digits or more) names.
    pub(crate) fn resolve(&self, name: &str) -> Option<&Commit> {
        let named = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name);
        if let Some(sha) = self.branches.get(named).or_else(|| self.tags.get(named)) {
            return self.commits.get(sha);
        }
        if named.len() < 7 || !named.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.commits.values().find(|commit| commit.sha.starts_with(named))
    }

    /// Adds a commit with the given tree on top of a branch, which is made if it is not there.
    pub(crate) fn commit(&mut self, branch: &str, tree: Tree, parents: Vec<String>, by: &Signature<'_>) -> String {
        let mut seed = format!("tree {}\n", tree_id(&tree, ""));
        for parent in &parents {
            seed.push_str(&format!("parent {parent}\n"));
        }
        seed.push_str(&format!("author {} <{}> {}\n\n{}", by.name, by.email, by.time, by.message));
        let sha = object_id("commit", seed.as_bytes());
        let commit = Commit {
            sha: sha.clone(),
            tree: Arc::new(tree),
            message: by.message.to_owned(),
            author_name: by.name.to_owned(),
            author_email: by.email.to_owned(),
            time: by.time,
            parents,
        };
        self.commits.insert(sha.clone(), commit);
        self.branches.insert(branch.to_owned(), sha.clone());
        sha
    }

    /// The commits reachable from one, newest first; with a path, only those that change it.
    pub(crate) fn log(&self, from: &str, path: Option<&str>) -> Vec<&Commit> {
        let mut seen = BTreeMap::new();
        let mut todo = vec![from.to_owned()];
        let mut order = Vec::new();
        while let Some(sha) = todo.pop() {
            if seen.insert(sha.clone(), ()).is_some() {
                continue;
            }
            if let Some(commit) = self.commits.get(&sha) {
                order.push(commit);
                todo.extend(commit.parents.iter().rev().cloned());
            }
        }
        order.sort_by_key(|commit| std::cmp::Reverse(commit.time));
        order.retain(|commit| path.is_none_or(|path| self.touches(commit, path)));
        order
    }

    fn touches(&self, commit: &Commit, path: &str) -> bool {
        let before = commit.parents.first().and_then(|sha| self.commits.get(sha));
        let inside = |name: &str| name == path || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.changes(before, commit).iter().any(|change| inside(&change.path))
    }

    /// What differs between two commits' trees.
    pub(crate) fn changes(&self, before: Option<&Commit>, after: &Commit) -> Vec<Change> {
        let nothing = Tree::new();
        let old = before.map_or(&nothing, |commit| commit.tree.as_ref());
        let mut out = Vec::new();
        for (path, content) in after.tree.iter() {
            match old.get(path) {
                Some(was) if was == content => {}
                was => out.push(Change { path: path.clone(), before: was.cloned(), after: Some(content.clone()) }),
            }
        }
        for (path, was) in old {
            if !after.tree.contains_key(path) {
                out.push(Change { path: path.clone(), before: Some(was.clone()), after: None });
            }
        }
        out.sort_by(|a, b| a.path.cmp(&b.path));
        out
    }
}

/// One file's change.
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
        let (old, new) = (lines(self.before.as_ref()), lines(self.after.as_ref()));
        let (head, tail) = common(&old, &new);
        let path = &self.path;
        let mut out = format!("diff --git a/{path} b/{path}\n");
        let id = |content: Option<&Bytes>| content.map_or_else(|| "0".repeat(40), |content| blob_id(content));
        let (from, to) = (id(self.before.as_ref()), id(self.after.as_ref()));
        match (&self.before, &self.after) {
            (None, _) => out.push_str("new file mode 100644\n"),
            (_, None) => out.push_str("deleted file mode 100644\n"),
            _ => {}
        }
        out.push_str(&format!("index {}..{}", &from[..10], &to[..10]));
        out.push_str(if self.before.is_some() && self.after.is_some() { " 100644\n" } else { "\n" });
        out.push_str(&if self.before.is_some() { format!("--- a/{path}\n") } else { "--- /dev/null\n".to_owned() });
        out.push_str(&if self.after.is_some() { format!("+++ b/{path}\n") } else { "+++ /dev/null\n".to_owned() });
        let lead = head.min(3);
        let trail = tail.min(3);
        let start = head - lead;
        let (old_len, new_len) = (old.len() - start - (tail - trail), new.len() - start - (tail - trail));
        let at = |len: usize| if len == 0 { 0 } else { start + 1 };
        out.push_str(&format!("@@ -{},{old_len} +{},{new_len} @@\n", at(old_len), at(new_len)));
        let mut put = |mark: char, list: &[&str]| list.iter().for_each(|line| out.push_str(&format!("{mark}{line}\n")));
        put(' ', &old[start..head]);
        put('-', &old[head..old.len() - tail]);
        put('+', &new[head..new.len() - tail]);
        put(' ', &old[old.len() - tail..old.len() - tail + trail]);
        out
    }
}

fn lines(content: Option<&Bytes>) -> Vec<&str> {
    content.and_then(|content| std::str::from_utf8(content).ok()).map(|text| text.lines().collect()).unwrap_or_default()
}

/// Lengths of the common head and tail of two lists.
fn common(old: &[&str], new: &[&str]) -> (usize, usize) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    (head, tail)
}

/// Git's id of a blob.
pub(crate) fn blob_id(content: &[u8]) -> String {
    object_id("blob", content)
}

/// Id of the tree below a prefix (`""` or `dir/`).
pub(crate) fn tree_id(tree: &Tree, prefix: &str) -> String {
    let mut listing = String::new();
    for (path, content) in tree.iter().filter(|(path, _)| path.starts_with(prefix)) {
        listing.push_str(&format!("{} {}\n", &path[prefix.len()..], blob_id(content)));
    }
    object_id("tree", listing.as_bytes())
}

fn object_id(kind: &str, content: &[u8]) -> String {
    let mut object = format!("{kind} {}\0", content.len()).into_bytes();
    object.extend_from_slice(content);
    hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(time: i64) -> Signature<'static> {
        Signature { name: "a", email: "a@example.org", time, message: "m" }
    }

    #[test]
    fn a_blob_has_gits_own_id() {
        assert_eq!(blob_id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn a_diff_shows_the_changed_lines_between_their_neighbours() {
        let mut git = Git::default();
        let tree = |text: &'static str| Tree::from([("f".to_owned(), Bytes::from_static(text.as_bytes()))]);
        let one = git.commit("main", tree("a\nb\nc\n"), vec![], &by(1));
        let two = git.commit("main", tree("a\nB\nc\n"), vec![one.clone()], &by(2));
        let changes = git.changes(git.resolve(&one), git.resolve(&two).unwrap());
        assert_eq!(changes[0].counts(), (1, 1));
        assert!(changes[0].diff().ends_with("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"), "{}", changes[0].diff());
        assert_eq!(git.log(&two, Some("f")).len(), 2);
    }
}
