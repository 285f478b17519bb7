//! The broker in operation: what it tells of itself, and how it is steered while it runs.

mod metrics;
mod readiness;
