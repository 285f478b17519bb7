use super::*;

fn parse_words(words: &str) -> Result<Launch, LauncherArgumentError> {
    parse(words.split(' ').map(OsString::from))
}

fn cages() -> [Cage; 4] {
    let limits = Limits { tasks: 7, ..Limits::default() };
    let rights = [Right::Execute, Right::Read, Right::Discard];
    let files = rights.map(|right| Allowed { path: "/a b/--try".into(), right });
    let seal = Seal { files: files.into(), gateway_port: 40_001, may_fork: true };
    [Cage::None, Cage::Basic(limits), Cage::Sealed(limits, seal.clone()), Cage::Apart(limits, seal)]
}

#[test]
fn what_is_written_is_read_back_whatever_the_program_s_arguments_look_like() {
    let run = Errand::Run { program: "/bin/server".into(), args: vec!["--".into(), "--rung".into(), "x y".into()] };
    for cage in cages() {
        for errand in [run.clone(), Errand::Try] {
            let launch = Launch { parent_pid: 7, cage: cage.clone(), errand };
            let argv = write(&launch);
            assert_eq!(argv[0], SUBCOMMAND);
            assert_eq!(parse(argv.into_iter().skip(1)), Ok(launch));
        }
    }
}

#[test]
fn each_mistake_is_named() {
    let text = |words| parse_words(words).unwrap_err().to_string();
    assert!(text("--root /").contains("\"--root\""));
    assert!(text("--parent-pid").contains("--parent-pid needs a value"));
    assert!(text("--read").contains("--read needs a value"));
    assert!(text("--parent-pid x").contains("\"x\""));
    assert!(text("--parent-pid 99999999999 --rung 0 -- /bin/a").contains("99999999999"));
    assert!(text("--parent-pid 1 -- /bin/a").contains("--rung is missing"));
    assert!(text("--parent-pid 1 --rung 1 -- /bin/a").contains("--open-files is missing"));
    assert!(text("--parent-pid 1 --rung 9 -- /bin/a").contains("rung 9"));
    assert!(text("--parent-pid 1 --rung 0 --").contains("no program"));
    assert!(text("--parent-pid 1 --rung 0").contains("no program"));
    assert!(text("--parent-pid 1 --rung 0 -- a").contains("not absolute"));
}
