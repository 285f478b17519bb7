//! Worker profiles.
