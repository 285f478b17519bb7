//! One number for all rows of a table.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use crate::database::Value;

/// SHA-256 of all rows of a table, in the order of their keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// Takes row after row.
pub(super) struct Hasher {
    context: Context,
    rows: u64,
}

// === impl Hasher ===

impl Hasher {
    pub(super) fn add_all(&mut self, rows: &[Vec<Value<'_>>]) {
        for row in rows {
            self.add(row);
        }
    }

    /// Each value with its kind and length, so that no two different rows are the same bytes. What is a flag on one side is a number on the
    /// other.
    pub(super) fn add(&mut self, row: &[Value<'_>]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Text(None) | Value::Bytes(None) | Value::Integer(None) => self.context.update(b"n"),
                Value::Text(Some(text)) => self.add_bytes(b"t", text.as_bytes()),
                Value::Bytes(Some(bytes)) => self.add_bytes(b"b", bytes),
                Value::Integer(Some(number)) => self.add_bytes(b"i", &number.to_be_bytes()),
                Value::Flag(flag) => self.add_bytes(b"i", &i64::from(*flag).to_be_bytes()),
            }
        }
    }

    fn add_bytes(&mut self, kind: &[u8], bytes: &[u8]) {
        self.context.update(kind);
        self.context.update(&(bytes.len() as u64).to_be_bytes());
        self.context.update(bytes);
    }

    /// How many rows there were, and their digest.
    pub(super) fn finish(self) -> (u64, Digest) {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(self.context.finish().as_ref()) {
            *to = *from;
        }
        (self.rows, Digest(digest))
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self { context: Context::new(&SHA256), rows: 0 }
    }
}

// === impl Digest ===

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
