//! Whether the settings can be used, and which of them are probably not meant.

use super::finding::Finding;
use crate::config::Loaded;

const CHECK: &str = "configuration";

pub(super) fn examine(loaded: &Loaded) -> Vec<Finding> {
    match &loaded.outcome {
        Ok(config) if config.warnings.is_empty() => {
            let public = &config.http.public_url;
            vec![Finding::ok(CHECK, format!("complete; the broker of {public}, for Forgejo at {}", config.forgejo.url))]
        }
        Ok(config) => {
            let remedy =
                "if that is not what you want, change it; `fjmcp-broker config` shows where each value comes from";
            config.warnings.iter().map(|warning| Finding::warn(CHECK, warning, remedy)).collect()
        }
        Err(problems) => {
            // The worker program too, which is looked at on its own where the rest can be used.
            let all = loaded.startable(std::env::var_os("PATH").as_deref()).err();
            let problems = all.as_ref().unwrap_or(problems);
            let told = |problem: &crate::config::Problem| {
                let source = problem.source.as_ref().map(|source| format!(" (from {source})")).unwrap_or_default();
                Finding::fail(CHECK, format!("{}{source}: {}", problem.setting, problem.wrong), &problem.remedy)
            };
            problems.0.iter().map(told).collect()
        }
    }
}
