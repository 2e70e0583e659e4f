//! What the checker finds in models that are small enough to be seen through.

#![expect(clippy::print_stdout, reason = "what was found is for people to read")]

mod appointed;
mod cluster;
mod graph;
mod groups;
mod placed;
mod recovery;
mod staged;
mod toy;
mod toy_cluster;
mod volumes;
