//! The broker in operation: what it tells of itself, and how it is steered while it runs.

mod administration;
mod copies;
mod metrics;
mod readiness;
mod references;
mod reload;
mod supervision;
mod traces;
