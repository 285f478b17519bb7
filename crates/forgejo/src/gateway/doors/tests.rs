use super::*;

fn groups(path: &str) -> Vec<DoorGroup> {
    let path = TargetPath::parse(&format!("/api/v1{path}")).unwrap_or_else(|error| panic!("{path}: {error}"));
    groups_of(&path).iter().collect()
}

#[test]
pub(in crate::gateway) fn every_closed_door_belongs_to_its_group() {
    let table: &[(&str, DoorGroup)] = &[
        ("/admin/users", DoorGroup::Admin),
        ("/admin/cron/x", DoorGroup::Admin),
        ("/ADMIN/users", DoorGroup::Admin),
        ("//admin//users", DoorGroup::Admin),
        ("/%61dmin/users", DoorGroup::Admin),
        ("/users/alice/tokens", DoorGroup::Tokens),
        ("/users/alice/tokens/1", DoorGroup::Tokens),
        ("/user/keys", DoorGroup::UserKeys),
        ("/user/keys/1", DoorGroup::UserKeys),
        ("/user/gpg_keys", DoorGroup::UserKeys),
        ("/user/gpg_key_token", DoorGroup::UserKeys),
        ("/user/gpg_key_verify", DoorGroup::UserKeys),
        ("/user/applications/oauth2", DoorGroup::Applications),
        ("/user/emails", DoorGroup::Emails),
        ("/user/hooks", DoorGroup::Hooks),
        ("/user/hooks/1", DoorGroup::Hooks),
        ("/repos/a/b/hooks", DoorGroup::Hooks),
        ("/repos/a/b/hooks/1/tests", DoorGroup::Hooks),
        ("/repos/a/b/hooks/git/pre-receive", DoorGroup::Hooks),
        ("/repos/a/b/Hooks", DoorGroup::Hooks),
        ("/orgs/o/hooks", DoorGroup::Hooks),
        ("/orgs/o/hooks/1", DoorGroup::Hooks),
        ("/user/actions/runners/registration-token", DoorGroup::Actions),
        ("/user/actions/variables", DoorGroup::Actions),
        ("/repos/a/b/actions/runners/registration-token", DoorGroup::Actions),
        ("/repos/a/b/actions/runners", DoorGroup::Actions),
        ("/repos/a/b/actions/secrets/X", DoorGroup::Actions),
        ("/repos/a/b/actions/variables/X", DoorGroup::Actions),
        ("/repos/a/b//actions//%73ecrets", DoorGroup::Actions),
        ("/orgs/o/actions/secrets", DoorGroup::Actions),
        ("/orgs/o/actions/runners/registration-token", DoorGroup::Actions),
        ("/repos/a/b/keys", DoorGroup::DeployKeys),
        ("/repos/a/b/keys/1", DoorGroup::DeployKeys),
        ("/repos/a/b/push_mirrors", DoorGroup::PushMirrors),
        ("/repos/a/b/push_mirrors-sync", DoorGroup::PushMirrors),
        ("/repos/a/b/collaborators", DoorGroup::Collaborators),
        ("/repos/a/b/collaborators/bob/permission", DoorGroup::Collaborators),
        ("/repos/a/b/transfer", DoorGroup::Transfer),
        ("/repos/a/b/transfer/accept", DoorGroup::Transfer),
        ("/repos/migrate", DoorGroup::Migrate),
        ("/activitypub/user-id/1/inbox", DoorGroup::ActivityPub),
    ];
    for (path, group) in table {
        assert_eq!(groups(path), [*group], "{path}");
    }
    for group in DoorGroup::ALL {
        assert!(table.iter().any(|(_, tried)| *tried == group), "{group} is not tried");
    }
}

#[test]
fn a_path_behind_two_doors_needs_both() {
    assert_eq!(groups("/admin/hooks"), [DoorGroup::Admin, DoorGroup::Hooks]);
    assert_eq!(groups("/admin/actions/runners"), [DoorGroup::Admin, DoorGroup::Actions]);
    let admin_only: DoorGroups = [DoorGroup::Admin].into_iter().collect();
    let path = TargetPath::parse("/api/v1/admin/hooks").unwrap();
    assert_eq!(groups_of(&path).first_outside(admin_only), Some(DoorGroup::Hooks));
}

#[test]
fn hooks_and_secrets_anywhere_in_unknown_parts_of_the_api_are_closed() {
    assert_eq!(groups("/enterprise/x/hooks/1"), [DoorGroup::Hooks]);
    assert_eq!(groups("/repos/a/b/new/hooks"), [DoorGroup::Hooks]);
    assert_eq!(groups("/enterprise/x/actions/secrets"), [DoorGroup::Actions]);
}

#[test]
fn names_that_people_chose_are_no_doors() {
    for path in [
        "/repos/a/b/contents/src/hooks/useThing.ts",
        "/repos/a/b/contents/src%2Fhooks",
        "/repos/a/b/branches/hooks",
        "/repos/a/b/raw/actions/secrets",
        "/repos/a/b/wiki/page/hooks",
        "/repos/a/b/git/refs/heads/hooks",
        "/repos/hooks/keys/issues",
        "/repos/admin/transfer",
        "/users/hooks",
        "/packages/alice/npm/hooks/1.0.0",
        "/users/tokens",
        "/users/alice/following/hooks",
        "/orgs/hooks/repos",
        "/orgs/o/members/hooks",
        "/user/starred/hooks/x",
        "/users/alice/keys",
        "/users/alice/gpg_keys",
        "/repos/a/b/actions/tasks",
        "/repos/a/b/actions/workflows/ci.yml/dispatches",
        "/user",
        "/user/repos",
        "/version",
    ] {
        assert_eq!(groups(path), [], "{path}");
    }
}

#[test]
fn downloads_are_behind_no_door() {
    let path = TargetPath::parse("/hooks/keys/raw/branch/main/hooks").unwrap();
    assert!(groups_of(&path).is_empty());
}

#[test]
fn groups_are_read_by_the_names_that_they_print() {
    for group in DoorGroup::ALL {
        assert_eq!(group.name().parse(), Ok(group));
    }
    let error = "everything".parse::<DoorGroup>().unwrap_err().to_string();
    assert!(error.contains("everything") && error.contains("push-mirrors"), "{error}");
}
