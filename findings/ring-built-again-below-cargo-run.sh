#!/usr/bin/env bash
# ring 0.17.14: a program that was started by `cargo run` and calls `cargo build` builds ring, and all that depends on it,
# again; and the next `cargo build` of a person does so once more.
#
# What one would guess: nothing changed, so nothing is built. But ring's build script asks to run again when variables like
# CARGO_MANIFEST_DIR and CARGO_PKG_NAME change, cargo compares them with its own environment, and `cargo run` sets them
# to those of the program that it runs.
# Where it matters: automation in Rust (xtask) beside builds by hand: minutes for each turn. Taking these variables out of
# the environment of the inner cargo ends it.
#
# Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p app/src tool/src
printf '[workspace]\nresolver = "3"\nmembers = ["app", "tool"]\n' >Cargo.toml
printf '[package]\nname = "app"\nedition = "2024"\n[dependencies]\nring = "=0.17.14"\n' >app/Cargo.toml
printf '[package]\nname = "tool"\nedition = "2024"\n' >tool/Cargo.toml
printf 'fn main() {}\n' >app/src/main.rs
cat >tool/src/main.rs <<'RUST'
fn main() {
    let status = std::process::Command::new("cargo").args(["build", "--verbose", "-p", "app"]).status();
    assert!(status.is_ok_and(|it| it.success()));
}
RUST
of_ring() { grep -oE '(Fresh|Dirty|Compiling) ring v[0-9.]+' | head -n 1; }
cargo build --quiet -p app -p tool
seen="by hand, again:   $(cargo build --verbose -p app 2>&1 | of_ring)
below cargo run:  $(cargo run --quiet -p tool 2>&1 | of_ring)
by hand, after:   $(cargo build --verbose -p app 2>&1 | of_ring)"
echo "$seen"
expected='by hand, again:   Fresh ring v0.17.14
below cargo run:  Dirty ring v0.17.14
by hand, after:   Dirty ring v0.17.14'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
