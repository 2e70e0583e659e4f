//! Tests of the whole library: the pure parts against brute force, the rest on a folder and on a real S3 server.

mod chains;
mod damage;
mod errors;
mod expiry;
mod leftovers;
mod places;
mod roundtrip;
mod s3;
mod server;
mod world;
