//! The three patches that change an object from the outside: JSON patch, JSON merge patch and strategic merge patch.
//! (The fourth, server-side apply, is [`crate::ownership::apply`].)
//!
//! Invariants: every patch works on a copy and returns it whole or not at all; the number of operations and the growth
//! of the result are bounded.

mod json;
mod merge;
mod strategic;

pub use json::json_patch;
pub use merge::merge_patch;
pub use strategic::strategic_merge;

/// The most operations in one JSON patch.
pub const OPERATIONS_MAX: usize = 10_000;
/// The most bytes that the `copy` operations of one JSON patch may add.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Roughly the encoded size of a value.
fn size(value: &serde_json::Value) -> usize {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match value {
        Null | Bool(_) => 5,
        Number(_) => 8,
        String(text) => text.len() + 2,
        Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Object(members) => {
            2 + members.iter().map(|(name, value)| name.len() + 4 + size(value)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests;
