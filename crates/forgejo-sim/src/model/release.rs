//! Releases of a repository.

#[derive(Clone)]
pub(crate) struct Release {
    pub(crate) id: i64,
    pub(crate) tag: String,
    pub(crate) target: String,
    pub(crate) title: String,
    pub(crate) note: String,
    pub(crate) draft: bool,
    pub(crate) prerelease: bool,
    pub(crate) author: i64,
    pub(crate) created: i64,
}
