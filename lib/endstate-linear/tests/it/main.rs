//! The checker, against a definition that is slow and plain, and on histories of a store that is known to be right, or
//! is known to lie.

mod brute;
mod generated;
mod hard;
mod mutated;
mod orders;
mod revisions;
mod store;
mod watch;
