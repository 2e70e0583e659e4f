//! Folds functions that came out the same: generic code over hundreds of Kubernetes types makes many of those.

fn main() {
    // Understood by LLD, which is the default linker of this target.
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|it| it == "x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
