#!/usr/bin/env bash
# anstream 1.0.0: `AutoStream::choice` colours a terminal with TERM=dumb as soon as the variable CI is set.
#
# What one would guess: TERM=dumb says that escapes are not understood, wherever the program runs; CI only tells that
# output which is no terminal may be coloured all the same.
# Where it matters: a test on a pseudo-terminal passes on a desk and fails in CI, and logs get escapes.
#
# The program asks for the choice on a pseudo-terminal that `script` (util-linux) makes. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "seen"
version = "0.0.0"
edition = "2024"
[dependencies]
anstream = "=1.0.0"
TOML
cat >"$folder/src/main.rs" <<'RUST'
fn main() {
    println!("{:?}", anstream::AutoStream::choice(&std::io::stdout()));
}
RUST
(cd "$folder" && cargo build --quiet --target-dir "$folder/target")
program="$folder/target/debug/seen"
on_terminal() { env -u NO_COLOR -u CLICOLOR -u CLICOLOR_FORCE -u CI "$@" script -qec "$program" /dev/null | tr -d '\r'; }
seen="dumb terminal: $(on_terminal TERM=dumb)
dumb terminal, CI=true: $(on_terminal TERM=dumb CI=true)"
echo "$seen"
expected='dumb terminal: Never
dumb terminal, CI=true: Always'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
