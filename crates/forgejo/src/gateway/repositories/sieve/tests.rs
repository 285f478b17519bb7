use serde_json::json;

use super::*;

const UUID: &str = "0b1e6e8c-3c53-4a2d-9a3e-0123456789ab";

fn repo(id: i64) -> Value {
    json!({"id":id,"name":format!("r{id}"),"full_name":format!("o/r{id}"),"owner":{"id":1,"login":"o","full_name":"O"}})
}

fn short(id: i64) -> Value {
    json!({"id":id,"name":format!("r{id}"),"full_name":format!("o/r{id}"),"owner":"o"})
}

fn issue(id: i64) -> Value {
    json!({"id":100,"number":1,"title":"t","user":{"id":1,"login":"u","full_name":"U"},"repository":short(id)})
}

fn known<'k>(
    chosen: &'k ChosenRepositories,
    names: &'k BTreeSet<RepositoryName>,
    about: Option<&'k About>,
) -> Known<'k> {
    let repository_at = &|address: &str| RepositoryName::of_page(address.strip_prefix("https://git.example")?);
    Known { chosen, names, about, repository_at }
}

/// What is left of an answer within repository 7; 7 and 8 are chosen.
fn left(mut answer: Value) -> Option<Value> {
    let (chosen, names) = ([7, 8].into_iter().collect(), BTreeSet::new());
    let about = (7, RepositoryName { owner: "o".into(), name: "r7".into() });
    Sieve::new(known(&chosen, &names, Some(&about))).keeps(&mut answer).then_some(answer)
}

fn attributed(mut item: Value) -> bool {
    let chosen = [7, 8].into_iter().collect();
    let names = [RepositoryName { owner: "o".into(), name: "r7".into() }].into_iter().collect();
    Sieve::new(known(&chosen, &names, None)).keeps_attributed(&mut item)
}

#[test]
pub(in crate::gateway) fn a_repository_is_judged_by_its_id_wherever_it_stands() {
    assert_eq!(left(repo(7)), Some(repo(7)));
    assert_eq!(left(repo(9)), None);
    assert_eq!(left(json!([repo(7), repo(9), repo(8)])), Some(json!([repo(7), repo(8)])));
    assert_eq!(left(json!({"some":{"later":{"member":repo(9)}}})), None);
    let mut without_id = repo(7);
    without_id["id"] = json!("7");
    assert_eq!(left(without_id), None);
}

#[test]
pub(in crate::gateway) fn the_parent_of_a_fork_and_the_fork_behind_a_pull_request_are_taken_out() {
    let mut fork = repo(7);
    fork["parent"] = repo(9);
    assert_eq!(left(fork.clone()).unwrap()["parent"], Value::Null);
    fork["parent"] = repo(8);
    assert_eq!(left(fork.clone()), Some(fork));
    let pull = |head, base| json!({"number":3,"head":{"ref":"refs/pull/3/head","sha":"s","repo_id":head,"repo":repo(head)},"base":{"repo":repo(base)}});
    let kept = left(pull(9, 7)).unwrap();
    assert_eq!(
        (&kept["head"]["repo"], &kept["head"]["repo_id"], &kept["head"]["sha"]),
        (&Value::Null, &json!(-1), &json!("s"))
    );
    assert_eq!(left(pull(8, 7)), Some(pull(8, 7)));
    assert_eq!(left(pull(7, 9)), None);
}

#[test]
pub(in crate::gateway) fn issues_and_events_about_others_go_as_a_whole() {
    assert_eq!(left(json!([issue(7), issue(9)])), Some(json!([issue(7)])));
    let event =
        |issue: Value| json!([{"id":1,"type":"issue_ref","ref_issue":issue},{"id":2,"type":"comment","body":"b"}]);
    assert_eq!(left(event(issue(8))), Some(event(issue(8))));
    assert_eq!(left(event(issue(9))).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(left(json!([{"id":1,"type":"add_dependency","dependent_issue":issue(9)}])), Some(json!([])));
    // One that does not say of which repository it is.
    assert_eq!(left(event(json!({"number":1}))).unwrap().as_array().unwrap().len(), 1);
    // A reference that Forgejo has left out itself.
    assert_eq!(left(event(Value::Null)), Some(event(Value::Null)));
}

#[test]
pub(in crate::gateway) fn a_mention_in_a_commit_of_another_repository_goes() {
    let event =
        |path: &str| json!([{"type":"commit_ref","body":format!("<a href=\"{path}/commit/abc\">secret message</a>")}]);
    assert_eq!(left(event("/o/r7")), Some(event("/o/r7")));
    assert_eq!(left(event("/sub/O/R7")), Some(event("/sub/O/R7")));
    assert_eq!(left(event("/o/r9")), Some(json!([])));
    assert_eq!(left(event("/p/r7")), Some(json!([])));
    assert_eq!(left(json!([{"type":"commit_ref","body":"something else"}])), Some(json!([])));
}

#[test]
fn people_with_full_names_are_no_repositories() {
    let user = json!({"id":9,"login":"bob","full_name":"Bob Example"});
    assert_eq!(left(user.clone()), Some(user));
}

#[test]
pub(in crate::gateway) fn the_event_behind_a_run_is_looked_into() {
    let run = |payload: Value| json!({"id":1,"event_payload":payload.to_string(),"repository":repo(7)});
    let own = json!({"number":1,"repository":repo(7)});
    assert_eq!(left(run(own.clone())), Some(run(own)));
    let of_fork = json!({"pull_request":{"head":{"repo":repo(9),"repo_id":9},"base":{"repo":repo(7)}}});
    let text = left(run(of_fork)).unwrap()["event_payload"].as_str().unwrap().to_owned();
    assert!(!text.contains("r9") && text.contains("r7"), "{text}");
    for payload in [json!(repo(9).to_string()), json!({"repository":repo(9)})] {
        assert_eq!(left(run(payload)).unwrap()["event_payload"], "");
    }
}

#[test]
pub(in crate::gateway) fn an_item_of_a_list_across_repositories_has_to_say_of_which_it_is() {
    assert!(attributed(repo(7)) && attributed(issue(8)) && attributed(json!({"id":1,"issue":issue(7)})));
    assert!(!attributed(repo(9)) && !attributed(issue(9)) && !attributed(json!({"id":1,"issue":issue(9)})));
    assert!(!attributed(json!({"id":1})) && !attributed(json!("text")) && !attributed(json!({"repository":null})));
    let stopwatch = |owner, name| json!({"repo_owner_name":owner,"repo_name":name,"issue_index":1,"issue_title":"t"});
    assert!(attributed(stopwatch("O", "R7")) && !attributed(stopwatch("o", "r9")));
    assert!(!attributed(json!({"repo_owner_name":"o","repo_name":null})));
}

#[test]
pub(in crate::gateway) fn attachments_are_noted_with_the_repository_that_they_were_shown_for() {
    let asset = json!({"uuid":UUID,"browser_download_url":"https://git.example/attachments/x"});
    let noted = |mut answer: Value, about: Option<i64>| {
        let (chosen, names) = ([7, 8].into_iter().collect(), BTreeSet::new());
        let about = about.map(|id| (id, RepositoryName { owner: "o".into(), name: "r7".into() }));
        let mut sieve = Sieve::new(known(&chosen, &names, about.as_ref()));
        sieve.keeps(&mut answer);
        sieve.attachments
    };
    let uuid = Uuid::read(UUID).unwrap();
    assert_eq!(noted(json!({"assets":[asset]}), Some(7)), [(uuid, 7)]);
    let mut of_other = issue(8);
    of_other["assets"] = json!([asset]);
    assert_eq!(noted(json!([of_other]), Some(7)), [(uuid, 8)]);
    assert_eq!(noted(json!([of_other]), None), [(uuid, 8)]);
    let mut foreign = issue(9);
    foreign["assets"] = json!([asset]);
    assert_eq!(noted(json!([foreign]), Some(7)), []);
    assert_eq!(noted(json!({"assets":[asset]}), None), []);
}

#[test]
pub(in crate::gateway) fn an_address_within_another_repository_than_the_values_own_is_emptied() {
    let file = |of: &str| {
        json!([{"filename":"a","html_url":format!("https://git.example/{of}/src/commit/x/a"),"raw_url":format!("https://git.example/{of}/raw/a"),
            "contents_url":format!("https://git.example/api/v1/repos/{of}/contents/a?ref=x")}])
    };
    assert_eq!(left(file("o/r7")), Some(file("o/r7")));
    assert_eq!(left(file("O/R7")), Some(file("O/R7")));
    assert_eq!(left(file("o/r9")).unwrap()[0], json!({"filename":"a","html_url":"","raw_url":"","contents_url":""}));
    let mut other = issue(8);
    other["html_url"] = json!("https://git.example/o/r8/issues/1");
    other["user"]["avatar_url"] = json!("https://git.example/avatars/0123/x");
    other["user"]["html_url"] = json!("https://git.example/u");
    other["website_url"] = json!("https://elsewhere.example/o/r9");
    assert_eq!(left(json!([other.clone()])), Some(json!([other])));
    let mut repository = repo(7);
    repository["clone_url"] = json!("https://git.example/o/r7.git");
    assert_eq!(left(repository.clone()), Some(repository));
}
