//! Several brokers on one database: what each of them holds, and how they reach each other.

mod seal;

pub(crate) use seal::RingSeal;
