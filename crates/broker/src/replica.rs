//! Several brokers on one database: what each of them holds, and how they reach each other.

mod certificate;
mod neighbours;
mod passage;
mod seal;
mod tenancy;
mod usage;
pub(crate) mod wire;

pub(crate) use certificate::{Identity, host_of};
pub(crate) use neighbours::Neighbours;
pub(crate) use passage::Onward;
pub(crate) use seal::RingSeal;
pub(crate) use tenancy::Tenancy;
