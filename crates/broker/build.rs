//! Stamps the binary with what it was built from.
//!
//! The environment speaks first (`FJMCP_REVISION`, `SOURCE_DATE_EPOCH`), so that a build without a `.git` folder, in a
//! container for instance, is stamped too and a reproducible build stays reproducible. Git is asked second; what nobody
//! knows is `unknown`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=FJMCP_REVISION");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let revision = environment("FJMCP_REVISION").or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let date = environment("SOURCE_DATE_EPOCH")
        .or_else(|| git(&["show", "--no-patch", "--format=%ct", "HEAD"]))
        .and_then(|seconds| seconds.parse().ok())
        .map(civil_date);
    println!("cargo::rustc-env=FJMCP_BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=FJMCP_BUILD_DATE={}", date.as_deref().unwrap_or("unknown"));
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// The UTC date of a Unix time, as in ISO 8601 (days to civil date in the proleptic Gregorian calendar).
fn civil_date(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
