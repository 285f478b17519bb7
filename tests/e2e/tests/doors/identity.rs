//! Other people's identities: `sudo` and tokens beside the Authorization header (forgejo.md §4.10; gateway.md §1).

use anyhow::{Context as _, Result, ensure};
use e2e::through_worker::WorkerRequest;

use super::Intruder;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_site_administrators_worker_stays_himself_whatever_sudo_says() -> Result<()> {
    let root = Intruder::is("root").await?;
    let attempts = [
        WorkerRequest::get("/api/v1/user?sudo=bob"),
        WorkerRequest::get("/api/v1/user?x=1&sudo=bob"),
        WorkerRequest::get("/api/v1/user?%73udo=bob"),
        WorkerRequest::get("/api/v1/user?sudo=root&sudo=bob"),
        WorkerRequest::get("/api/v1/user").header("Sudo", "bob"),
        WorkerRequest::get("/api/v1/user").header("sudo", "bob"),
        WorkerRequest::get("/api/v1/user").header("SUDO", "bob"),
    ];
    let open = root.directly(&attempts[0]).await?;
    ensure!(open.json()?["login"] == "bob", "sudo is no door at Forgejo: {}", open.body);
    for attempt in &attempts {
        stays(&root, attempt, "root").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_in_the_query_is_not_taken_along() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let token = alice.stack.sim.create_personal_token("bob", &["all"]).context("no bob")?;
    for name in ["token", "access_token"] {
        let attempt = WorkerRequest::get(format!("/api/v1/user?{name}={token}"));
        let open = alice.directly(&attempt).await?;
        ensure!(open.json()?["login"] == "bob", "{name} is no door at Forgejo: {}", open.body);
        stays(&alice, &attempt, "alice").await?;
    }
    for query in [format!("TOKEN={token}"), format!("access%5Ftoken={token}"), format!("page=1&token={token}&limit=1")]
    {
        stays(&alice, &WorkerRequest::get(format!("/api/v1/user?{query}")), "alice").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_form_that_names_another_identity_is_refused() -> Result<()> {
    let root = Intruder::is("root").await?;
    let token = root.stack.sim.create_personal_token("bob", &["all"]).context("no bob")?;
    let post = || WorkerRequest::new("POST", "/api/v1/user/repos");
    // An API that reads JSON takes its token from a form all the same, before the header: a bad one spoils a good header.
    let open = root.directly(&post().body(FORM, "access_token=bad")).await?;
    ensure!(open.status == 401, "a form is no door at Forgejo: {} {}", open.status, open.body);
    for name in ["access_token", "token", "sudo", "Access_Token", "%74oken"] {
        let message = root.refused(&post().body(FORM, format!("name=taken&{name}={token}")), 403).await?;
        ensure!(message.contains("always acts as the user who made it"), "{name}: {message}");
    }
    for name in ["access_token", "token", "sudo"] {
        let part = format!(
            "--cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{token}\r\n--cut\r\n\
             Content-Disposition: form-data; name=\"attachment\"; filename=\"a.txt\"\r\n\r\nhello\r\n--cut--\r\n"
        );
        let upload = WorkerRequest::new("POST", "/api/v1/repos/alice/hello/issues/1/assets");
        root.refused(&upload.body("multipart/form-data; boundary=cut", part), 403).await?;
    }
    Ok(())
}

#[tokio::test]
async fn only_the_headers_on_the_list_reach_forgejo() -> Result<()> {
    const DROPPED: &[(&str, &str)] = &[
        ("Cookie", "i_like_gitea=stolen"),
        ("X-WEBAUTH-USER", "root"),
        ("X-WEBAUTH-EMAIL", "root@example.org"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
        ("baggage", "user=root"),
        ("Proxy-Authorization", "Basic cm9vdDpyb290"),
        ("X-Gitea-OTP", "123456"),
        ("Sudo", "root"),
    ];
    let worker_says = WorkerRequest::get("/api/v1/repos/alice/hello").header("Host", "evil.example");
    let alice = Intruder::is("alice").await?;
    let request = DROPPED.iter().fold(worker_says, |request, (name, value)| request.header(name, *value));
    let (answer, arrived) = alice.send(&request).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let [seen] = arrived.as_slice() else { anyhow::bail!("{arrived:?}") };
    for (name, _) in DROPPED {
        ensure!(seen.header(&name.to_ascii_lowercase()).is_none(), "{name} reached Forgejo");
    }
    let host = alice.forgejo().to_string();
    ensure!(seen.header("host") == Some(host.as_str()), "Forgejo was called {:?}", seen.header("host"));
    // W34: what authorizes the request is the user's own token, which the worker never had.
    let sent = seen.header("authorization").context("no Authorization")?;
    let issued = alice.stack.sim.issued_secrets();
    ensure!(issued.iter().any(|secret| sent.ends_with(&secret.value)), "not one of Forgejo's tokens");
    ensure!(seen.headers.iter().filter(|(name, _)| name == "authorization").count() == 1, "Authorization twice");
    Ok(())
}

#[tokio::test]
async fn an_overridden_method_deletes_nothing() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let target = "/api/v1/repos/alice/hello/branches/greet-by-name";
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
        let (_, arrived) = alice.send(&WorkerRequest::get(target).header(name, "DELETE")).await?;
        ensure!(arrived.iter().all(|request| request.method == "GET"), "{name}: {arrived:?}");
        let answer = WorkerRequest::get(target).send(&alice.worker).await?;
        ensure!(answer.status == 200, "{name}: the branch is gone");
    }
    Ok(())
}

/// The request is served, as the user of the grant, and nothing of the attempt reaches Forgejo.
async fn stays(intruder: &Intruder, attempt: &WorkerRequest, login: &str) -> Result<()> {
    let (answer, arrived) = intruder.send(attempt).await?;
    ensure!(answer.status == 200 && answer.json()?["login"] == login, "{attempt}: {} {}", answer.status, answer.body);
    for request in arrived {
        let target = request.target.to_lowercase();
        ensure!(!target.contains("sudo") && !target.contains("token"), "{attempt} reached Forgejo as {target}");
        ensure!(request.header("sudo").is_none(), "{attempt}: the header reached Forgejo");
    }
    Ok(())
}
