//! Runs the tests one after the other, each in a runtime of its own, and reports as libtest does. One after the other,
//! because they count the descriptors and children of this process.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Builder;

/// A test that takes longer has hung.
const DEADLINE: Duration = Duration::from_mins(2);

pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) body: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

macro_rules! tests {
    ($($($part:ident)::+),+ $(,)?) => {
        vec![$($crate::harness::Test {
            name: concat!($("::", stringify!($part)),+),
            body: || Box::pin($($part)::+()),
        }),+]
    };
}
pub(crate) use tests;

pub(crate) fn run(args: impl Iterator<Item = OsString>, tests: &[Test]) -> ExitCode {
    let args: Vec<String> = args.map(|arg| arg.into_string().unwrap()).collect();
    let (flags, filters): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with('-'));
    let exact = flags.iter().any(|flag| *flag == "--exact");
    let matches = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|filter| if exact { name == filter.as_str() } else { name.contains(filter.as_str()) })
    };
    let chosen: Vec<(&str, &Test)> =
        tests.iter().map(|test| (test.name.trim_start_matches("::"), test)).filter(|(name, _)| matches(name)).collect();
    if flags.iter().any(|flag| *flag == "--list") {
        for (name, _) in &chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }

    println!("\nrunning {} tests", chosen.len());
    let mut failed = 0;
    for (name, test) in &chosen {
        let passed = catch_unwind(AssertUnwindSafe(|| run_one(test))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out\n",
        chosen.len() - failed,
        tests.len() - chosen.len()
    );
    ExitCode::from(u8::from(failed > 0))
}

fn run_one(test: &Test) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        assert!(tokio::time::timeout(DEADLINE, (test.body)()).await.is_ok(), "hung");
    });
}
