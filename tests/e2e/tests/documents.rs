//! What the documents say of the code is held against the code.

use std::collections::HashSet;
use std::path::Path;

use e2e::binaries::project_root;

/// Every `fn name` in the tests and sources below `folder`.
fn functions(folder: &Path, found: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

/// Every function there is, tests among them.
fn known() -> HashSet<String> {
    let root = project_root();
    let mut known = HashSet::new();
    functions(&root.join("crates"), &mut known);
    functions(&root.join("tests/e2e"), &mut known);
    known
}

/// The names in backticks in the last column of a row.
fn named_last(row: &str) -> Vec<&str> {
    let last = row.trim_end_matches(" |").rsplit('|').next().unwrap_or_default();
    last.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_trap_has_a_row_that_names_tests_and_they_exist() {
    let known = known();
    let page = std::fs::read_to_string(project_root().join("docs/traps.md")).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let numbers: Vec<_> = rows.iter().filter_map(|row| row.split('|').nth(1)?.trim().parse::<usize>().ok()).collect();
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
    for row in rows {
        assert!(!named_last(row).is_empty(), "no test is named in: {row}");
        for name in named_last(row) {
            assert!(known.contains(name), "there is no test {name}, named in: {row}");
        }
    }
}

#[test]
fn every_test_that_the_security_review_names_exists() {
    let root = project_root();
    let known = known();
    let review = std::fs::read_to_string(root.join("docs/design.md")).unwrap();
    let (_, review) = review.split_once("### 8.2 Review").unwrap();
    let rows: Vec<_> =
        review.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| shown by |")).collect();
    assert!(rows.len() > 90, "the table has {} rows", rows.len());
    for row in rows {
        let names = named_last(row);
        assert!(!names.is_empty(), "no test is named in: {row}");
        for name in names {
            assert!(known.contains(name), "there is no test {name}, named in: {row}");
        }
    }
}

#[test]
fn every_test_that_the_cages_page_names_exists() {
    let known = known();
    let page = std::fs::read_to_string(project_root().join("docs/security-cage.md")).unwrap();
    let (_, table) = page.split_once("## What a worker gets that lies").unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 8, "the table has {} rows", rows.len());
    for name in rows.iter().flat_map(|row| named_last(row)) {
        assert!(known.contains(name), "there is no test {name}");
    }
}
