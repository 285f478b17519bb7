//! Starting and stopping worker processes.
/// Ends its process.
pub(crate) struct ProcessGuard;
impl ProcessGuard {
    pub(crate) async fn stop(&self, _grace: std::time::Duration) -> crate::process::ExitReport {
        std::future::pending().await
    }
}
