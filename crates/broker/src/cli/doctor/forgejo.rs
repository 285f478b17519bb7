//! Whether Forgejo answers, and whether its version has the OAuth2 fixes that we count on.

use http::header;
use serde::Deserialize;

use super::clock::Reading;
use super::finding::Finding;
use super::patient::Patient;
use super::web::{Answer, ask};

const REACHABLE: &str = "forgejo";
const VERSION: &str = "forgejo-version";

/// What was found, and what others build on.
pub(super) struct Forgejo {
    pub(super) findings: Vec<Finding>,
    pub(super) is_reachable: bool,
    pub(super) clock: Option<Reading>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

/// What a version is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Good,
    /// Forgejo without some of the fixes; the version to have instead.
    Old(&'static str),
    /// No Forgejo by its version.
    Gitea,
    Unreadable,
}

pub(super) async fn examine(patient: &Patient) -> Forgejo {
    let config = &patient.config.forgejo;
    let base = config.internal_url.as_str();
    let before = patient.clock.now();
    let request =
        patient.outbound.client().get(format!("{base}/api/v1/version")).header(header::ACCEPT, "application/json");
    let answer = match ask(request).await {
        Ok(answer) => answer,
        Err(trouble) => {
            let remedy = "see whether Forgejo runs, and whether this host (or container) reaches it at that address; if the way is another one than for \
                          browsers, set forgejo-internal-url, for a private certificate extra-ca-file, for a proxy egress-proxy";
            let finding = Finding::fail(REACHABLE, format!("no answer from {base}: {}", trouble.reason), remedy);
            return Forgejo { findings: vec![finding], is_reachable: false, clock: None };
        }
    };
    let clock = Reading::of(&answer, before, patient.clock.now());
    match answer.status.as_u16() {
        200 => match answer.json::<Version>() {
            Some(Version { version }) => {
                let findings = vec![Finding::ok(REACHABLE, format!("{base} answers")), version_finding(&version)];
                Forgejo { findings, is_reachable: true, clock }
            }
            None => no_forgejo(base, &answer),
        },
        401 | 403 => {
            let hidden = Finding::skip(
                VERSION,
                "Forgejo tells it only to users (REQUIRE_SIGNIN_VIEW); 11.0.14 or 15.0.2 and later is what you want",
            );
            let findings = vec![Finding::ok(REACHABLE, format!("{base} answers")), hidden];
            Forgejo { findings, is_reachable: true, clock }
        }
        _ => no_forgejo(base, &answer),
    }
}

fn no_forgejo(base: &str, answer: &Answer) -> Forgejo {
    let seen = format!("{base}/api/v1/version answers {}, which is not Forgejo's", answer.in_words());
    let remedy = "set forgejo-url to Forgejo's ROOT_URL, sub-path included, with https if it redirects there";
    Forgejo { findings: vec![Finding::fail(REACHABLE, seen, remedy)], is_reachable: false, clock: None }
}

fn version_finding(version: &str) -> Finding {
    let why = "before these, refresh tokens were not bound to their application, redirect URIs not compared exactly at the code exchange, and two \
               parallel refreshes could both succeed; before 11.0.11 and 15.0.0, PKCE was not enforced";
    match judge(version) {
        Judgement::Good => Finding::ok(VERSION, version),
        Judgement::Old(wanted) => {
            let seen = format!("{version} lacks fixes of the OAuth2 provider: {why}");
            Finding::warn(VERSION, seen, format!("upgrade Forgejo to {wanted} or later"))
        }
        Judgement::Gitea => {
            let seen = format!("{version}: this seems to be Gitea, which the broker is not tested with every day");
            Finding::warn(VERSION, seen, "look for what differs in docs/operations.md before you rely on it")
        }
        Judgement::Unreadable => {
            Finding::warn(VERSION, format!("{version} says nothing"), "make sure that it is 11.0.14, 15.0.2 or later")
        }
    }
}

fn judge(version: &str) -> Judgement {
    let numbers = version.split(['+', '-']).next().unwrap_or_default();
    let numbers: Vec<u32> = numbers.split('.').map_while(|part| part.parse().ok()).collect();
    let &[major, minor, patch] = numbers.as_slice() else { return Judgement::Unreadable };
    match (major, minor, patch) {
        // Gitea counts 1.x; Forgejo did, up to 1.21, but not with this suffix.
        (1, ..) if !version.contains("+gitea") && !version.contains("+forgejo") => Judgement::Gitea,
        (11, 0, 14..) | (15, 0, 2..) | (15, 1.., _) | (16.., ..) => Judgement::Good,
        (..=11, ..) => Judgement::Old("11.0.14"),
        _ => Judgement::Old("15.0.2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_judged_by_the_fixes_of_their_own_line() {
        for (version, judgement) in [
            ("11.0.15+gitea-1.22.0", Judgement::Good),
            ("11.0.14", Judgement::Good),
            ("15.0.2+gitea-1.22.0", Judgement::Good),
            ("17.0.0-dev-812-4ab6fb8f1d+gitea-1.22.0", Judgement::Good),
            ("11.0.13+gitea-1.22.0", Judgement::Old("11.0.14")),
            ("9.0.3+gitea-1.22.0", Judgement::Old("11.0.14")),
            ("1.21.11+gitea-1.21.11", Judgement::Old("11.0.14")),
            ("12.0.4+gitea-1.22.0", Judgement::Old("15.0.2")),
            ("14.0.3+gitea-1.22.0", Judgement::Old("15.0.2")),
            ("15.0.1+gitea-1.22.0", Judgement::Old("15.0.2")),
            ("1.26.2", Judgement::Gitea),
            ("development", Judgement::Unreadable),
            ("", Judgement::Unreadable),
        ] {
            assert_eq!(judge(version), judgement, "{version}");
        }
    }
}
