//! Linking of the executable.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A static executable that may lie anywhere in memory relocates itself at start: the packed form of that table is a
    // hundredth in size (two of forty megabytes). It needs the C library of Debian 12 or later, which is linked in.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|it| it == "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
