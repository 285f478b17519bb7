//! Credentials, and ways to make or leak them (forgejo.md §4.10; gateway.md §3, "nobody, whatever the method").

use anyhow::{Result, ensure};
use e2e::through_worker::WorkerRequest;
use serde_json::json;

use super::Intruder;

/// Method, path below `/api/v1`, and the group that a refusal names.
type Door = (&'static str, &'static str, &'static str);

/// Doors that stand open to alice at Forgejo.
const OPEN_TO_ALICE: &[Door] = &[
    ("GET", "/repos/alice/hello/actions/runners/registration-token", "actions"),
    ("GET", "/user/actions/runners/registration-token", "actions"),
    ("GET", "/orgs/acme/actions/runners/registration-token", "actions"),
    ("GET", "/repos/alice/hello/actions/secrets", "actions"),
    ("GET", "/repos/alice/hello/actions/variables", "actions"),
    ("GET", "/user/actions/variables", "actions"),
    ("GET", "/repos/alice/hello/hooks", "hooks"),
    ("POST", "/repos/alice/hello/hooks", "hooks"),
    ("GET", "/user/hooks", "hooks"),
    ("POST", "/user/hooks", "hooks"),
    ("GET", "/orgs/acme/hooks", "hooks"),
    ("GET", "/user/keys", "user-keys"),
    ("POST", "/user/keys", "user-keys"),
    ("GET", "/user/gpg_keys", "user-keys"),
    ("GET", "/repos/alice/hello/keys", "deploy-keys"),
    ("POST", "/repos/alice/hello/keys", "deploy-keys"),
    ("GET", "/user/applications/oauth2", "applications"),
    ("POST", "/user/applications/oauth2", "applications"),
    ("GET", "/user/emails", "emails"),
    ("GET", "/repos/alice/hello/collaborators", "collaborators"),
    ("PUT", "/repos/alice/hello/collaborators/bob", "collaborators"),
    ("GET", "/repos/alice/hello/push_mirrors", "push-mirrors"),
];

/// Doors that stand open to a site administrator only.
const OPEN_TO_ROOT: &[Door] = &[
    ("GET", "/admin/users", "admin"),
    ("POST", "/admin/users", "admin"),
    ("GET", "/admin/orgs", "admin"),
    ("GET", "/admin/emails", "admin"),
    ("GET", "/admin/cron", "admin"),
    ("GET", "/admin/hooks", "admin"),
    ("GET", "/admin/runners/registration-token", "admin"),
    ("GET", "/user/actions/runners/registration-token", "actions"),
    ("GET", "/user/applications/oauth2", "applications"),
    ("GET", "/repos/alice/hello/hooks", "hooks"),
    ("GET", "/repos/alice/hello/actions/runners/registration-token", "actions"),
];

/// Doors that are refused whether or not the stand-in knows them, or opens them to a token.
const OTHERS: &[Door] = &[
    ("GET", "/users/alice/tokens", "tokens"),
    ("POST", "/users/alice/tokens", "tokens"),
    ("DELETE", "/users/alice/tokens/1", "tokens"),
    ("GET", "/admin/users", "admin"),
    ("DELETE", "/admin/users/bob", "admin"),
    ("POST", "/admin/users/bob/keys", "admin"),
    ("PUT", "/user/actions/secrets/TOKEN", "actions"),
    ("POST", "/user/actions/variables/NAME", "actions"),
    ("PUT", "/repos/alice/hello/actions/secrets/TOKEN", "actions"),
    ("DELETE", "/orgs/acme/actions/secrets/TOKEN", "actions"),
    ("GET", "/user/gpg_key_token", "user-keys"),
    ("POST", "/user/gpg_key_verify", "user-keys"),
    ("POST", "/user/emails", "emails"),
    ("PATCH", "/repos/alice/hello/hooks/1", "hooks"),
    ("POST", "/repos/alice/hello/hooks/1/tests", "hooks"),
    ("GET", "/repos/alice/hello/hooks/git", "hooks"),
    ("PATCH", "/orgs/acme/hooks/1", "hooks"),
    ("POST", "/repos/alice/hello/push_mirrors", "push-mirrors"),
    ("POST", "/repos/alice/hello/push_mirrors-sync", "push-mirrors"),
    ("DELETE", "/repos/alice/hello/collaborators/bob", "collaborators"),
    ("POST", "/repos/alice/hello/transfer", "transfer"),
    ("POST", "/repos/alice/hello/transfer/accept", "transfer"),
    ("POST", "/repos/migrate", "migrate"),
    ("GET", "/activitypub/actor", "activitypub"),
    ("POST", "/activitypub/user-id/1/inbox", "activitypub"),
];

#[tokio::test]
async fn a_worker_gets_no_credential_and_makes_none() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    for door in OPEN_TO_ALICE {
        is_open_at_forgejo(&alice, door).await?;
        is_shut(&alice, door).await?;
    }
    for door in OTHERS {
        is_shut(&alice, door).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_of_a_site_administrator_does_not_either() -> Result<()> {
    let root = Intruder::is("root").await?;
    for door in OPEN_TO_ROOT {
        is_open_at_forgejo(&root, door).await?;
        is_shut(&root, door).await?;
    }
    for door in OPEN_TO_ALICE.iter().chain(OTHERS) {
        is_shut(&root, door).await?;
    }
    Ok(())
}

fn request(&(method, path, _): &Door) -> WorkerRequest {
    let request = WorkerRequest::new(method, format!("/api/v1{path}"));
    if matches!(method, "GET" | "DELETE") {
        return request;
    }
    request.json(&json!({
        "type": "forgejo", "config": {"url": "http://127.0.0.1:9/", "content_type": "json"}, "active": true,
        "title": "key", "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNlY3JldHNlY3JldHNlY3JldHNlY3JldHNlY3JldHNl",
        "name": "backdoor", "redirect_uris": ["http://127.0.0.1/"], "permission": "admin",
        "username": "mallory", "email": "mallory@example.org", "password": "mallory-password",
    }))
}

async fn is_open_at_forgejo(intruder: &Intruder, door: &Door) -> Result<()> {
    let answer = intruder.directly(&request(door)).await?;
    ensure!(answer.status < 300, "{door:?} is not open at Forgejo: {} {}", answer.status, answer.body);
    Ok(())
}

async fn is_shut(intruder: &Intruder, door: &Door) -> Result<()> {
    let message = intruder.refused(&request(door), 403).await?;
    let (_, _, group) = door;
    ensure!(message.contains(&format!("\"{group}\"")), "{door:?}: the refusal says only {message}");
    Ok(())
}
