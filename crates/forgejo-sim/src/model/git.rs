//! A repository's content: branches, tags, commits with whole trees.
//!
//! Blob ids are git's own; tree and commit ids are SHA-1 over their content, stable but not git's.

use std::fmt::Write as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;

use super::diff::Change;

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
            let _ = writeln!(seed, "parent {parent}");
        }
        let _ = write!(seed, "author {} <{}> {}\n\n{}", by.name, by.email, by.time, by.message);
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
        let mut seen = BTreeSet::new();
        let mut todo = vec![from.to_owned()];
        let mut order = Vec::new();
        while let Some(sha) = todo.pop() {
            if !seen.insert(sha.clone()) {
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
        commit.changes_since(before).iter().any(|change| inside(&change.path))
    }
}

// === impl Commit ===

impl Commit {
    /// What differs from an earlier commit's tree, or from nothing.
    pub(crate) fn changes_since(&self, before: Option<&Self>) -> Vec<Change> {
        let nothing = Tree::new();
        let old = before.map_or(&nothing, |commit| commit.tree.as_ref());
        let mut out = Vec::new();
        for (path, content) in self.tree.iter() {
            let was = old.get(path);
            if was != Some(content) {
                out.push(Change { path: path.clone(), before: was.cloned(), after: Some(content.clone()) });
            }
        }
        for (path, was) in old {
            if !self.tree.contains_key(path) {
                out.push(Change { path: path.clone(), before: Some(was.clone()), after: None });
            }
        }
        out.sort_by(|a, b| a.path.cmp(&b.path));
        out
    }
}

/// Git's id of a blob.
pub(crate) fn blob_id(content: &[u8]) -> String {
    object_id("blob", content)
}

/// Id of the tree below a prefix (`""` or `dir/`).
pub(crate) fn tree_id(tree: &Tree, prefix: &str) -> String {
    let mut listing = String::new();
    for (path, content) in tree.iter().filter(|(path, _)| path.starts_with(prefix)) {
        let _ = writeln!(listing, "{} {}", &path[prefix.len()..], blob_id(content));
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
    fn a_commit_knows_what_it_changed() {
        let mut git = Git::default();
        let tree = |text: &'static str| Tree::from([("f".to_owned(), Bytes::from_static(text.as_bytes()))]);
        let one = git.commit("main", tree("a\n"), vec![], &by(1));
        let two = git.commit("main", tree("b\n"), vec![one.clone()], &by(2));
        let changes = git.resolve(&two).unwrap().changes_since(git.resolve(&one));
        assert_eq!(changes[0].path, "f");
        assert_eq!(git.log(&two, Some("f")).len(), 2);
        assert_eq!(git.log(&two, Some("g")).len(), 0);
    }
}
