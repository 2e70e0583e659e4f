use endstate_core::Exit;

use super::*;

fn os(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn request(dir: &Path, command: &[&str]) -> Launch {
    Launch {
        data_dir: dir.join("data"),
        marker: dir.join("started"),
        pod: Marker::Absent,
        termination_log: dir.join("termination-log"),
        command: os(command),
    }
}

#[test]
fn arguments_are_parsed_up_to_the_command() {
    let args = ["--data-dir", "/d", "--marker", "/m", "--", "etcd", "--name", "a", "--", "b"];
    let Request::Launch(launch) = parse(os(&args)).unwrap() else { panic!("not a launch") };
    assert_eq!(launch.data_dir, Path::new("/d"));
    assert_eq!(launch.termination_log, Path::new(TERMINATION_LOG));
    assert_eq!(launch.command, os(&["etcd", "--name", "a", "--", "b"]));
    assert_eq!(parse(os(&["--install", "/e"])).unwrap(), Request::Install("/e".into()));
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_the_usage() {
    for args in [
        &["--data-dir", "/d", "--marker", "/m"][..],
        &["--data-dir", "/d", "--", "etcd"],
        &["--marker", "/m", "--", "etcd"],
        &["--frob", "x", "--", "etcd"],
        &["--install"],
    ] {
        let message = parse(os(args)).unwrap_err().to_string();
        assert!(message.contains("usage: etcd-launch"), "{args:?}: {message}");
    }
}

#[test]
fn only_a_blank_directory_with_a_mark_is_refused() {
    use Marker::{Absent, Present};
    assert_eq!(decide(Data::Blank, Absent, Absent), Decision::MarkAndStart);
    for (file, pod) in [(Present, Absent), (Absent, Present), (Present, Present)] {
        assert_eq!(decide(Data::Blank, file, pod), Decision::Refuse, "{file:?} {pod:?}");
    }
    for pod in [Absent, Present] {
        assert_eq!(decide(Data::Present, Absent, pod), Decision::MarkAndStart);
        assert_eq!(decide(Data::Present, Present, pod), Decision::Start);
    }
}

#[test]
fn a_member_whose_pod_lost_everything_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let request = Launch { pod: Marker::Present, ..request(dir.path(), &["/bin/true"]) };
    let error = launch(&request).unwrap_err();
    assert!(matches!(error, LaunchError::DataLost(_)), "{error}");
    assert!(!request.marker.exists() && !request.data_dir.exists());
}

#[test]
fn data_is_present_only_with_a_write_ahead_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(observe_data(&data).unwrap(), Data::Blank);
    fs::create_dir_all(data.join("member/wal")).unwrap();
    fs::create_dir_all(data.join("member/snap")).unwrap();
    fs::write(data.join("member/snap/db"), "x").unwrap();
    fs::write(data.join("member/wal/0.tmp"), "x").unwrap();
    assert_eq!(observe_data(&data).unwrap(), Data::Blank, "a database without a log is no member");
    fs::write(data.join("member/wal/0000000000000000-0000000000000000.wal"), "x").unwrap();
    assert_eq!(observe_data(&data).unwrap(), Data::Present);
}

#[test]
fn a_wiped_member_is_refused_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), &["/bin/true"]);
    write_marker(&request.marker).unwrap();
    let error = launch(&request).unwrap_err();
    assert!(matches!(error, LaunchError::DataLost(_)), "{error}");
    let message = fs::read_to_string(&request.termination_log).unwrap();
    let code = Evidence::DataLost.exit_code().into();
    assert_eq!(Exit::of(code, None, &message).evidence, Some(Evidence::DataLost), "{message}");
    assert!(!request.data_dir.exists(), "the launcher never creates data");
}

#[test]
fn a_command_that_cannot_run_leaves_no_marker() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), &["/nonexistent/etcd"]);
    let error = launch(&request).unwrap_err();
    assert_eq!(error.to_string(), "cannot execute /nonexistent/etcd");
    assert!(!request.marker.exists(), "etcd never ran, so the next start is the first");
}

#[test]
fn an_unreadable_data_directory_is_an_error_not_a_blank() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), &["/bin/true"]);
    fs::create_dir_all(request.data_dir.join("member")).unwrap();
    fs::write(request.data_dir.join("member/wal"), "a file, not a directory").unwrap();
    assert!(matches!(launch(&request), Err(LaunchError::Io { .. })));
    assert!(!request.marker.exists());
}

#[test]
fn install_puts_an_executable_in_place_twice() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("shared");
    for _ in 0..2 {
        install(&target).unwrap();
    }
    let installed = target.join(EXECUTABLE);
    assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1, "no partial file is left");
}
