//! What a check found, and how it is told.

use forgejo::oauth_client::for_display;
use serde::Serialize;

use crate::build_info::BUILD;

/// How serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// Somebody cannot connect, or is not safe.
    Failed,
    /// Could not be judged.
    Skipped,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    status: Status,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    what_to_do: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

// === impl Finding ===

impl Finding {
    pub(super) fn ok(check: &'static str, seen: impl AsRef<str>) -> Self {
        Self::new(check, Status::Ok, seen.as_ref(), None)
    }

    pub(super) fn skip(check: &'static str, why: impl AsRef<str>) -> Self {
        Self::new(check, Status::Skipped, why.as_ref(), None)
    }

    pub(super) fn warn(check: &'static str, seen: impl AsRef<str>, what_to_do: impl AsRef<str>) -> Self {
        Self::new(check, Status::Warning, seen.as_ref(), Some(what_to_do.as_ref()))
    }

    pub(super) fn fail(check: &'static str, seen: impl AsRef<str>, what_to_do: impl AsRef<str>) -> Self {
        Self::new(check, Status::Failed, seen.as_ref(), Some(what_to_do.as_ref()))
    }

    /// What others wrote can be among the text: nothing that changes a terminal gets through.
    fn new(check: &'static str, status: Status, seen: &str, what_to_do: Option<&str>) -> Self {
        let clean = |text: &str| text.lines().map(|line| for_display(line, &[])).collect::<Vec<_>>().join("\n");
        Self { check, status, seen: clean(seen), what_to_do: what_to_do.map(clean) }
    }

    pub(super) fn to_text(&self, colour: bool) -> String {
        let (word, code) = match self.status {
            Status::Ok => ("ok", "32"),
            Status::Warning => ("warn", "33"),
            Status::Failed => ("FAIL", "31"),
            Status::Skipped => ("skip", "2"),
        };
        let word = if colour { format!("\x1b[{code}m{word:<4}\x1b[0m") } else { format!("{word:<4}") };
        let indented = |text: &str| text.replace('\n', "\n                          ");
        let what_to_do = self
            .what_to_do
            .as_deref()
            .map(|text| format!("                          what to do: {}\n", indented(text)));
        format!("{word}  {:<20}{}\n{}", self.check, indented(&self.seen), what_to_do.unwrap_or_default())
    }
}

// === impl Report ===

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(super) fn failures(&self) -> usize {
        self.count(Status::Failed)
    }

    fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|finding| finding.status == status).count()
    }

    pub(super) fn summary(&self) -> String {
        let [ok, warnings, failed, skipped] =
            [Status::Ok, Status::Warning, Status::Failed, Status::Skipped].map(|status| self.count(status));
        format!("{ok} ok, {warnings} warnings, {failed} failed, {skipped} skipped")
    }

    pub(super) fn to_json(&self) -> String {
        let document = serde_json::json!({
            "ok": self.failures() == 0,
            "version": BUILD.version,
            "revision": BUILD.revision,
            "checks": self.0,
        });
        format!("{document}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let finding = Finding::fail("forgejo", "HTTP 502: \u{1b}[2Jgone\u{202e}", "look\nthere");
        let text = finding.to_text(false);
        assert_eq!(text.matches('\u{1b}').count(), 0, "{text:?}");
        assert!(!text.contains('\u{202e}') && text.contains("what to do: look\n"), "{text:?}");
    }

    #[test]
    fn a_report_with_a_failure_is_not_ok() {
        let mut report = Report::default();
        report.add(Finding::ok("a", "fine"));
        report.add(Finding::warn("b", "hm", "perhaps"));
        let parsed: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(parsed["ok"], true);
        report.add(Finding::fail("c", "no", "do"));
        let parsed: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!((parsed["ok"].as_bool(), parsed["checks"][2]["what_to_do"].as_str()), (Some(false), Some("do")));
        assert_eq!(report.summary(), "1 ok, 1 warnings, 1 failed, 0 skipped");
    }
}
