//! What is shipped in `deploy/` is held against the program and, where they are installed, against the tools that read it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::{built, project_root};
use e2e::broker::Settings;
use e2e::command::run;
use e2e::farm::Nginx;

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// The variables that a text mentions, whole words only.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.split(move |c| !is_of_name(c)).filter(|word| word.starts_with("FJMCP_BROKER_"))
}

#[tokio::test]
async fn every_variable_in_the_shipped_files_and_documents_is_a_setting() -> Result<()> {
    let reference = run(&["config", "--reference"], &Settings::default()).await?.stdout;
    let known: Vec<&str> = variables(&reference).collect();
    ensure!(known.len() > 40, "the reference has {} variables", known.len());
    let is_known = |name: &str| {
        name == "FJMCP_BROKER_CONFIG"
            || known.contains(&name.strip_suffix("_FILE").unwrap_or(name))
            || known.contains(&name)
    };
    let root = project_root();
    let documents = [
        "README.md",
        "Containerfile",
        "docs/deploy-podman.md",
        "docs/deploy-caddy.md",
        "docs/operations.md",
        "docs/scaling.md",
    ];
    for file in files(&root.join("deploy"))?.into_iter().chain(documents.map(|name| root.join(name))) {
        let text = std::fs::read_to_string(&file)?;
        for name in variables(&text) {
            assert!(is_known(name), "{}: {name} sets nothing", file.display());
        }
    }
    Ok(())
}

/// claude.ai refreshes from several machines; and behind an untrusted proxy all users are one.
#[test]
fn every_shipped_example_sets_the_replay_window_and_trusts_its_proxy() -> Result<()> {
    let root = project_root().join("deploy");
    for example in [
        "podman/fjmcp-broker.env.example",
        "compose/compose.yaml",
        "compose/replicas.yaml",
        "kubernetes/fjmcp-broker.yaml",
        "kubernetes/replicas.yaml",
    ] {
        let text = std::fs::read_to_string(root.join(example))?;
        for name in ["FJMCP_BROKER_REFRESH_REPLAY_WINDOW", "FJMCP_BROKER_TRUSTED_PROXIES"] {
            let line = text.lines().find(|line| line.trim_start().starts_with(name));
            let line = line.with_context(|| format!("{example} does not set {name}"))?;
            ensure!(!name.ends_with("WINDOW") || line.contains("120s"), "{example}: {line}");
        }
    }
    Ok(())
}

/// Cargo reads the manifests of all members, whichever is built.
#[test]
fn the_image_is_built_from_every_member_of_the_workspace() -> Result<()> {
    let manifest = std::fs::read_to_string(project_root().join("Cargo.toml"))?;
    let members = manifest.lines().find(|line| line.starts_with("members = [")).context("no members")?;
    let containerfile = std::fs::read_to_string(project_root().join("Containerfile"))?;
    let ignored = std::fs::read_to_string(project_root().join(".containerignore"))?;
    for member in members.split('"').skip(1).step_by(2) {
        let member = member.trim_end_matches("/*");
        let copied = format!("COPY {member} {member}");
        ensure!(containerfile.lines().any(|line| line == copied), "the Containerfile lacks `{copied}`");
        let folder = member.split('/').next().context("a member is nothing")?;
        ensure!(ignored.lines().any(|line| line == format!("!{folder}")), ".containerignore keeps {folder} out");
    }
    Ok(())
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_confined() -> Result<()> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skipped("systemd-analyze");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let unit = std::fs::read_to_string(project_root().join("deploy/systemd/fjmcp-broker.service"))?;
    ensure!(unit.contains("/usr/local/bin/fjmcp-broker"), "the unit starts another program");
    // Verification wants the program to be there.
    let here = unit.replace("/usr/local/bin/fjmcp-broker", &built("fjmcp-broker")?.display().to_string());
    let path = folder.path().join("fjmcp-broker.service");
    std::fs::write(&path, here)?;
    let verify =
        Command::new("systemd-analyze").args(["--man=no", "--recursive-errors=no", "verify"]).arg(&path).output()?;
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    // Older versions name the keys that they do not know, and end with 0.
    assert!(verify.status.success() && !said.contains("fjmcp-broker.service:"), "{said}");
    let security =
        Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(&path).output()?;
    let said = String::from_utf8_lossy(&security.stdout).into_owned();
    assert!(security.status.success(), "its exposure level is above 2.0: {}", said.lines().last().unwrap_or_default());
    Ok(())
}

/// Each replica listens for the others, keeps what is its own apart, and the image's file does not count beside the database.
#[test]
fn the_examples_of_several_replicas_set_what_replicas_need() -> Result<()> {
    let root = project_root().join("deploy");
    for example in ["compose/replicas.yaml", "kubernetes/replicas.yaml"] {
        let text = std::fs::read_to_string(root.join(example))?;
        let set = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("FJMCP_BROKER_{name}: ")));
            line.with_context(|| format!("{example} does not set {name}"))
        };
        ensure!(set("STORE_PATH")? == "\"\"" && set("STATE_DIR")? == "/data", "{example}: the image's file counts");
        ensure!(set("DATABASE_URL")?.starts_with("postgres://"), "{example}");
        ensure!(set("REPLICA_LISTEN")?.ends_with(":8090"), "{example}");
    }
    Ok(())
}

#[test]
fn caddy_and_nginx_take_the_files_for_several_replicas() -> Result<()> {
    let (root, folder) = (project_root().join("deploy"), tempfile::tempdir()?);
    let caddyfile = root.join("caddy/replicas.Caddyfile");
    let adapted = Command::new("caddy")
        .args(["adapt", "--adapter", "caddyfile", "--config"])
        .arg(&caddyfile)
        .env("FJMCP_UPSTREAM", "a:1 b:2 c:3")
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .output();
    match adapted {
        Err(_) => skipped("caddy"),
        Ok(adapted) => {
            let said = String::from_utf8_lossy(&adapted.stdout).into_owned();
            ensure!(adapted.status.success(), "{}", String::from_utf8_lossy(&adapted.stderr));
            for wanted in ["\"a:1\"", "\"b:2\"", "\"c:3\"", "round_robin", "/readyz"] {
                ensure!(said.contains(wanted), "{wanted} is not in {said}");
            }
        }
    }
    let Some(nginx) = Nginx::program() else {
        skipped("nginx");
        return Ok(());
    };
    // The site as it is shipped, without its certificate, with the other upstream.
    let site = std::fs::read_to_string(root.join("nginx/fjmcp-broker.conf"))?;
    let (before, rest) = site.split_once("upstream fjmcp_broker {").context("no upstream")?;
    let (_, after) = rest.split_once("}\n").context("no end of the upstream")?;
    let upstream = std::fs::read_to_string(root.join("nginx/upstream-replicas.conf"))?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let site = format!("{before}{upstream}{after}")
        .replace("listen 443 ssl http2;", "listen 127.0.0.1:1;")
        .replace("/var/log/nginx/", &format!("{}/", folder.path().display()));
    let site: Vec<&str> = site.lines().filter(|line| !line.contains("ssl_certificate")).collect();
    let site = site.join("\n");
    std::fs::write(
        folder.path().join("nginx.conf"),
        format!("pid {}; error_log stderr;\nevents {{}}\nhttp {{\n{site}\n}}\n", at("nginx.pid")),
    )?;
    let mut test = Command::new(nginx);
    // Listening where only root may is not what is asked here.
    let tested =
        test.arg("-t").arg("-p").arg(folder.path()).args(["-e", "stderr", "-c", &at("nginx.conf")]).output()?;
    let said = String::from_utf8_lossy(&tested.stderr).into_owned();
    ensure!(said.contains("syntax is ok"), "{said}");
    Ok(())
}

#[test]
fn the_rules_for_prometheus_fire_when_they_should() {
    let folder = project_root().join("deploy/prometheus");
    for arguments in [
        ["check", "rules", "fjmcp-broker.rules.yml"],
        ["test", "rules", "fjmcp-broker.tests.yml"],
        ["check", "config", "prometheus.example.yml"],
    ] {
        let Ok(ended) = Command::new("promtool").args(arguments).current_dir(&folder).output() else {
            skipped("promtool (Debian's package prometheus)");
            return;
        };
        assert!(
            ended.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat())
        );
    }
}

#[expect(clippy::print_stderr, reason = "a run says what it did not cover")]
fn skipped(what: &str) {
    eprintln!("skipped: {what} is not installed");
}
