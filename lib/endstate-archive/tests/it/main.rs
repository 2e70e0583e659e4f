//! Tests of the whole library: the pure parts against brute force, the rest on a folder.

mod chains;
mod damage;
mod errors;
mod expiry;
mod leftovers;
mod places;
mod roundtrip;
mod world;
