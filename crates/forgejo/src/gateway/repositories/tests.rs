use super::*;

fn line(method: &str, path: &str) -> Result<Line, Refusal> {
    line_of(&Method::from_bytes(method.as_bytes()).unwrap(), &TargetPath::parse(path).unwrap())
}

#[test]
pub(in crate::gateway) fn a_line_is_found_for_what_forgejo_mcp_asks() {
    for (method, path) in [
        ("GET", "repos/o/r"),
        ("GET", "repos/o/r/branches"),
        ("POST", "repos/o/r/branches"),
        ("DELETE", "repos/o/r/branches/a%2Fb"),
        ("GET", "repos/o/r/branch_protections/main"),
        ("GET", "repos/o/r/commits"),
        ("GET", "repos/o/r/git/commits/abc"),
        ("GET", "repos/o/r/git/trees/main"),
        ("GET", "repos/o/r/contents/a/b.md"),
        ("PUT", "repos/o/r/contents/a"),
        ("GET", "repos/o/r/raw/a%2Fb"),
        ("GET", "repos/o/r/issues"),
        ("PATCH", "repos/o/r/issues/1"),
        ("GET", "repos/o/r/issues/1/comments"),
        ("PATCH", "repos/o/r/issues/comments/3"),
        ("POST", "repos/o/r/issues/1/assets"),
        ("DELETE", "repos/o/r/issues/comments/3/assets/4"),
        ("POST", "repos/o/r/issues/1/labels"),
        ("DELETE", "repos/o/r/issues/1/labels/2"),
        ("GET", "repos/o/r/issues/1/dependencies"),
        ("POST", "repos/o/r/issues/1/stopwatch/start"),
        ("GET", "repos/o/r/issues/1/times"),
        ("DELETE", "repos/o/r/issues/1/times/2"),
        ("GET", "repos/o/r/times"),
        ("GET", "repos/o/r/labels"),
        ("GET", "repos/o/r/milestones"),
        ("GET", "repos/o/r/pulls"),
        ("GET", "repos/o/r/pulls/1.diff"),
        ("GET", "repos/o/r/pulls/1/files"),
        ("POST", "repos/o/r/pulls/1/merge"),
        ("POST", "repos/o/r/pulls/1/reviews"),
        ("POST", "repos/o/r/pulls/1/reviews/2/dismissals"),
        ("DELETE", "repos/o/r/pulls/1/requested_reviewers"),
        ("GET", "repos/o/r/releases/latest"),
        ("GET", "repos/o/r/releases/tags/v1"),
        ("DELETE", "repos/o/r/releases/3/assets/4"),
        ("POST", "repos/o/r/releases/3/assets"),
        ("GET", "repos/o/r/wiki/pages"),
        ("POST", "repos/o/r/wiki/new"),
        ("PATCH", "repos/o/r/wiki/page/Home"),
        ("GET", "repos/o/r/wiki/revisions/Home"),
        ("GET", "repos/o/r/actions/runs"),
        ("GET", "repos/o/r/actions/runs/1/jobs"),
        ("GET", "repos/o/r/actions/jobs/1/logs"),
        ("POST", "repos/o/r/actions/workflows/ci.yml/dispatches"),
        ("GET", "repos/o/r/statuses/abc"),
        ("GET", "repos/o/r/notifications"),
        ("PUT", "repos/o/r/notifications"),
        ("GET", "repos/search"),
        ("GET", "repos/issues/search"),
        ("GET", "user"),
        ("GET", "user/repos"),
        ("GET", "user/orgs"),
        ("GET", "user/stopwatches"),
        ("GET", "user/times"),
        ("GET", "users/search"),
        ("GET", "orgs/acme/repos"),
        ("GET", "orgs/acme/labels"),
        ("GET", "notifications"),
        ("GET", "notifications/new"),
        ("PATCH", "notifications/threads/1"),
        ("GET", "settings/api"),
        ("GET", "version"),
    ] {
        assert!(line(method, &format!("/api/v1/{path}")).is_ok(), "{method} {path}");
    }
}

#[test]
pub(in crate::gateway) fn what_the_table_does_not_know_has_no_line() {
    for (method, path) in [
        ("POST", "/api/v1/repos/o/r/forks"),
        ("POST", "/api/v1/repos/o/r/transfer"),
        ("POST", "/api/v1/repos/o/r/transfer/accept"),
        ("POST", "/api/v1/repos/o/r/generate"),
        ("POST", "/api/v1/repos/o/r/sync_fork"),
        ("POST", "/api/v1/repos/o/r/push_mirrors"),
        ("POST", "/api/v1/repos/migrate"),
        ("GET", "/api/v1/repos/o"),
        ("GET", "/api/v1/repos"),
        ("GET", "/api/v1/repos/o/r/Issues"),
        ("GET", "/api/v1/repos/o/r/issues/x"),
        ("POST", "/api/v1/repositories/7"),
        ("GET", "/api/v1/repositories/7/issues"),
        ("GET", "/api/v1/admin/users"),
        ("DELETE", "/api/v1/orgs/acme"),
        ("GET", "/api/v1/orgs/acme/teams"),
        ("GET", "/api/v1/user/keys"),
        ("GET", "/attachments/0b1e6e8c-3c53-4a2d-9a3e-01234567-9ab"),
    ] {
        assert!(TargetPath::parse(path).is_err() || line(method, path).is_err(), "{method} {path}");
    }
}

#[test]
pub(in crate::gateway) fn an_attachment_is_judged_by_its_uuid_wherever_it_stands() {
    const UUID: &str = "0b1e6e8c-3c53-4a2d-9a3e-0123456789ab";
    let uuid = Uuid::read(UUID).unwrap();
    assert_eq!(line("GET", &format!("/attachments/{UUID}")), Ok(Line::Attachment(uuid)));
    assert_eq!(line("GET", &format!("/o/r/attachments/{UUID}")), Ok(Line::Attachment(uuid)));
    assert_eq!(line("GET", "/o/r/archive/main.zip"), Ok(Line::File));
    assert_eq!(line("GET", &format!("/o/r/raw/attachments/{UUID}")), Ok(Line::File));
}
