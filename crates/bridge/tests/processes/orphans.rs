use tokio::process::Command;

use crate::roles;

pub(crate) async fn orphans_are_reaped_and_workers_statuses_are_not_taken() {
    let output = Command::from(roles::command("reaper")).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"reaped\n");
}
