//! Who may enter.

use std::time::Duration;

use store::entry_pins::PinKind;

use super::EntryConfig;
use super::build::within;
use super::problem::Fault;
use super::reader::Reader;
use super::settings as s;

/// Reads the group.
pub(super) fn entry(reader: &mut Reader<'_>) -> Option<EntryConfig> {
    let users = reader.list(&s::ALLOWED_USERS, name);
    let organizations = reader.list(&s::ALLOWED_ORGANIZATIONS, name);
    let teams = reader.list(&s::ALLOWED_TEAMS, team);
    let recheck = reader.required(&s::ENTRY_RECHECK, within(Duration::from_secs(1)..=Duration::from_mins(15)));
    let (organizations, teams) = (organizations?, teams?);
    let scopes = reader.required(&s::FORGEJO_OAUTH_SCOPES, |text| Ok(text.to_owned()))?;
    let reads_organizations =
        scopes.split_whitespace().any(|scope| matches!(scope, "read:organization" | "write:organization" | "all"));
    if !reads_organizations
        && let Some(setting) = [(&s::ALLOWED_ORGANIZATIONS, &organizations), (&s::ALLOWED_TEAMS, &teams)]
            .into_iter()
            .find_map(|(setting, names)| (!names.is_empty()).then_some(setting))
    {
        let wrong = "forgejo-oauth-scopes does not let the broker read what users belong to";
        reader.fault(setting, Fault::new(wrong, "add read:organization there"));
        return None;
    }
    let of_kind = |kind: PinKind, names: Vec<String>| names.into_iter().map(move |name| (kind, name));
    let allowed = of_kind(PinKind::User, users?)
        .chain(of_kind(PinKind::Organization, organizations))
        .chain(of_kind(PinKind::Team, teams))
        .collect();
    Some(EntryConfig { allowed, recheck: recheck? })
}

/// Forgejo's names are letters and digits of ASCII, dashes, dots and underscores.
fn name(text: &str) -> Result<String, Fault> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Fault::new(
        format!("`{text}` is not a name that Forgejo has"),
        "write the name alone, without @ and without a pattern",
    ))
}

fn team(text: &str) -> Result<String, Fault> {
    let parts = text.split_once('/').ok_or_else(|| {
        Fault::new(
            format!("`{text}` does not say of which organisation"),
            "write ORGANIZATION/TEAM, such as acme/developers",
        )
    });
    let (organization, team) = parts?;
    Ok(format!("{}/{}", name(organization)?, name(team)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_forgejos_and_in_lower_case() {
        assert_eq!(name("Alice.B-c_1").as_deref(), Ok("alice.b-c_1"));
        assert_eq!(team("Acme/Developers").as_deref(), Ok("acme/developers"));
        for bad in ["", "@alice", "al*", "alice bob", "al\u{212a}e", "a/b"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        for bad in ["acme", "acme/", "/developers", "a/b/c", "acme/*"] {
            assert!(team(bad).is_err(), "{bad}");
        }
    }
}
