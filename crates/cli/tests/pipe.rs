//! What the executable does when nobody reads what it prints.

use std::process::{Command, Stdio};

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().to_str().unwrap();
    for args in [
        &["install", "etcd", "--print"][..],
        &["doctor"],
        &["doctor", "-o", "json"],
        &["version"],
        &["image", "list", "--image-store", store],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_endstate"))
            .args(args)
            .env("KUBECONFIG", dir.path().join("none"))
            .stdin(Stdio::null())
            .stdout(writer)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*words), (Some(0), ""), "{args:?}");
    }
}
