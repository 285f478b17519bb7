use super::*;

fn executed(allowed: &[Allowed]) -> Vec<&Path> {
    allowed.iter().filter(|file| file.right == Right::Execute).map(|file| file.path.as_path()).collect()
}

#[test]
fn a_dynamic_program_brings_its_loader_and_a_path_of_the_profile_is_executable_too() {
    let allowed = allowed(Path::new("/bin/sh"), &["/opt/server".into()], None);
    let executed = executed(&allowed);
    assert_eq!(executed[0], Path::new("/bin/sh"));
    assert!(executed[1].to_str().unwrap().contains("/ld-"), "{executed:?}");
    assert_eq!(executed[2..], [Path::new("/opt/server")]);
}

#[test]
fn a_script_brings_its_interpreter_and_what_env_will_find() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("server");
    std::fs::write(&script, "#!/usr/bin/env -S A=b sh -e\necho\n").unwrap();
    let allowed = allowed(&script, &[], Some(OsStr::new("/nonexistent:/bin")));
    let executed = executed(&allowed);
    assert_eq!(executed[..3], [&script, Path::new("/usr/bin/env"), Path::new("/bin/sh")]);
    assert!(executed[3].to_str().unwrap().contains("/ld-"), "{executed:?}");
}

#[test]
fn only_one_device_may_be_written_to_and_nothing_of_the_process_list_is_readable() {
    let allowed = allowed(Path::new("/bin/sh"), &[], None);
    let written: Vec<_> = allowed.iter().filter(|file| file.right == Right::Discard).collect();
    assert_eq!(written, [&Allowed { path: "/dev/null".into(), right: Right::Discard }]);
    assert!(allowed.iter().all(|file| file.path != Path::new("/proc") && file.path != Path::new("/etc")));
}

#[test]
fn a_file_that_ends_in_the_middle_of_its_head_names_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for text in [&b""[..], b"#!", b"#!\n", b"\x7fELF\x02\x01", b"\x7fELF\x01\x01"] {
        let program = directory.path().join("server");
        std::fs::write(&program, text).unwrap();
        assert_eq!(chain(&program, None), [program.clone()], "{text:?}");
    }
}
