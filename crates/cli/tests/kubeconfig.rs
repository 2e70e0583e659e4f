//! Which kubeconfig `up` writes. No cluster starts: its state directory cannot be made.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

fn up(flag: &[&Path], environment: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_endstate"))
        .args(["up", "--state-dir", "/dev/null/state"])
        .args(flag.iter().flat_map(|file| [Path::new("--kubeconfig"), file]))
        .env("KUBECONFIG", environment)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn up_writes_what_the_flag_names_even_if_the_environment_names_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, other) = (dir.path().join("theirs"), dir.path().join("other"));
    std::fs::write(&theirs, "of somebody else").unwrap();
    for environment in [&theirs, &other] {
        let words = up(&[&theirs], environment);
        assert!(words.contains("name another file"), "the file is not looked at: {words}");
    }
    let words = up(&[], &theirs);
    assert!(words.contains("cannot use the state directory"), "nobody asked to write: {words}");
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "of somebody else");
}
