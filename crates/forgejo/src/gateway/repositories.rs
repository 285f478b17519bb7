//! Chosen repositories: a grant that reaches only what its user has picked.

mod chosen;

pub use chosen::ChosenRepositories;
