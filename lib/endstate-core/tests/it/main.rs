//! The tests of the core, with a toy application of which every part can be chosen.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "stories are files")]

mod arbitrary;
mod behind;
mod led;
mod lint;
mod odd;
mod placed;
mod properties;
#[path = "../stories/engine.rs"]
mod stories;
mod toy;

#[test]
fn stories() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    stories::tell_all::<toy::Toy>(&folder);
}
