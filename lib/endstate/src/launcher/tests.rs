use endstate_core::{Directory, Evidence, Exit, Guard, Seed, Start};

use super::arguments::TERMINATION_LOG;
use super::survey::OWNER_FILE;
use super::*;

fn os(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn directory(path: impl Into<std::path::PathBuf>, present: &str) -> DataDir {
    DataDir { path: path.into(), present: vec![present.parse().unwrap()] }
}

/// The command must not be there: one that is would take this process over and end it with success.
fn request(dir: &Path) -> Launch {
    Launch {
        data: vec![directory(dir.join("data"), "log/*.log")],
        member: Some("example-a".to_owned()),
        marker: dir.join("started"),
        pod: Marker::Absent,
        record: Marker::Absent,
        seeds: vec![],
        first_start_file: Some(dir.join("data/initialize")),
        class_path: None,
        prepare: vec![],
        mend: vec![],
        only_prepare: false,
        termination_log: dir.join("termination-log"),
        command: os(&["/nonexistent/app"]),
    }
}

#[test]
fn arguments_are_parsed_up_to_the_command() {
    let args = "--data-dir /d --present l/*.l --marker /m -- app --name a -- b";
    let args: Vec<_> = args.split(' ').collect();
    let Request::Launch(launch) = parse(os(&args)).unwrap() else { panic!("not a launch") };
    assert_eq!(launch.data, [directory("/d", "l/*.l")]);
    assert_eq!(launch.termination_log, Path::new(TERMINATION_LOG));
    assert_eq!(launch.command, os(&["app", "--name", "a", "--", "b"]));
    assert_eq!(parse(os(&["--install", "/e"])).unwrap(), Request::Install("/e".into()));
}

#[test]
fn what_an_operator_says_is_what_the_launcher_reads() {
    let guard = Guard::new("/d", &["v/log.*", "v/snapshot.*"])
        .beside(Directory::new("journal", "/j", &["*.j"]))
        .seed(Seed::once("/c/a", "/w/a"))
        .seed(Seed::always("/c/b", "/w/b"))
        .seed(Seed::text_once("x=1\ny", "/w/c"))
        .seed(Seed::text("l=/w/c\n", "/w/d").keeping("l="))
        .first_start_file("/d/initialize")
        .class_path("/app/lib")
        .prepared_by(["/l/endstate", "--member", "--"].map(str::to_owned).into())
        .mended_by(["/l/endstate", "--mend"].map(str::to_owned).into());
    let own = ["app", "--resume", "--member"].map(str::to_owned);
    let start = Start::Resume { members: vec![] };
    let command = command(&guard, ("example-a", &start), "/l", &own);
    let own = command.iter().position(|it| it == "--").unwrap();
    assert!(surveys(&command) && !surveys(&command[own..]), "{command:?}");
    let words = command[2..].iter().map(OsString::from);
    let Request::Launch(launch) = parse(words).unwrap() else { panic!("not a launch") };
    let expected = Launch {
        data: vec![
            DataDir {
                path: "/d".into(),
                present: vec!["v/log.*".parse().unwrap(), "v/snapshot.*".parse().unwrap()],
            },
            directory("/j", "*.j"),
        ],
        member: Some("example-a".to_owned()),
        marker: "/l/started".into(),
        pod: Marker::Absent,
        record: Marker::Present,
        seeds: vec![
            Seed::once("/c/a", "/w/a"),
            Seed::always("/c/b", "/w/b"),
            Seed::text_once("x=1\ny", "/w/c"),
            Seed::text("l=/w/c\n", "/w/d").keeping("l="),
        ],
        first_start_file: Some("/d/initialize".into()),
        class_path: Some("/app/lib".into()),
        prepare: os(&["/l/endstate", "--member", "--"]),
        mend: os(&["/l/endstate", "--mend"]),
        only_prepare: false,
        termination_log: TERMINATION_LOG.into(),
        command: os(&["app", "--resume", "--member"]),
    };
    assert_eq!(launch, expected);
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_the_usage() {
    for args in [
        "--data-dir /d --present *.l --marker /m",
        "--data-dir /d --present *.l -- app",
        "--data-dir /d --marker /m -- app",
        "--present *.l --marker /m -- app",
        "--data-dir /d --present *.l --marker /d/m -- app",
        "--data-dir /d --present *.l --data-dir /e --marker /m -- app",
        "--data-dir /d --present *.l --data-dir /e --present *.l --marker /e/m -- app",
        "--present *.l --data-dir /d --marker /m -- app",
        "--data-dir /d --present /etc/*.l --marker /m -- app",
        "--data-dir /d --present a*/b.l --marker /m -- app",
        "--data-dir /d --present a/b*c* --marker /m -- app",
        "--data-dir /d --present *.l --marker /m --seed a -- app",
        "--data-dir /d --present *.l --marker /m --write a -- app",
        "--data-dir /d --present *.l --marker /m --keep a -- app",
        "--data-dir /d --present *.l --marker /m --member= -- app",
        "--frob x -- app",
        "--install",
    ] {
        let words: Vec<_> = args.split(' ').collect();
        let message = parse(os(&words)).unwrap_err().to_string();
        assert!(message.contains("usage: launch"), "{args}: {message}");
    }
}

#[test]
fn only_a_blank_directory_that_nobody_knows_is_a_first_start() {
    use Marker::{Absent, Present};
    for (file, pod, record) in [
        (Absent, Absent, Absent),
        (Present, Absent, Absent),
        (Absent, Present, Absent),
        (Absent, Absent, Present),
        (Present, Present, Present),
    ] {
        let marks = Marks { file, pod, record };
        let known = [file, pod, record].contains(&Present);
        let blank = if known { Decision::Refuse(Evidence::DataLost) } else { Decision::FirstStart };
        assert_eq!(decide(Data::Blank, marks), blank, "{marks:?}");
        let lost = Decision::Refuse(Evidence::DataLost);
        assert_eq!(decide(Data::Partial, marks), lost, "{marks:?}");
        let data = if file == Present { Decision::Start } else { Decision::MarkAndStart };
        assert_eq!(decide(Data::Present, marks), data, "{marks:?}");
        let foreign = Decision::Refuse(Evidence::DataForeign);
        assert_eq!(decide(Data::Foreign, marks), foreign, "{marks:?}");
    }
}

#[test]
fn a_member_that_lost_everything_is_refused_by_its_pod_and_by_the_record() {
    for (pod, record) in [(Marker::Present, Marker::Absent), (Marker::Absent, Marker::Present)] {
        let dir = tempfile::tempdir().unwrap();
        let request = Launch { pod, record, ..request(dir.path()) };
        let error = launch(&request).unwrap_err();
        assert!(matches!(error, LaunchError::DataLost { .. }), "{error}");
        assert!(!request.marker.exists() && !request.data[0].path.exists());
    }
}

#[test]
fn data_is_present_only_with_a_file_that_matches() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let patterns = ["member/wal/*.wal".parse().unwrap(), "version-2/log.*".parse().unwrap()];
    let observed = || files::is_present(&data, &patterns).unwrap();
    assert!(!observed());
    for folder in ["member/wal", "member/snap", "version-2"] {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    for other in ["member/snap/db", "member/wal/0.tmp", "member/wal/wal", "version-2/log"] {
        fs::write(data.join(other), "x").unwrap();
        assert!(!observed(), "{other}");
    }
    for own in ["member/wal/0000000000000000-0000000000000000.wal", "version-2/log.1"] {
        fs::write(data.join(own), "x").unwrap();
        assert!(observed(), "{own}");
        fs::remove_file(data.join(own)).unwrap();
    }
}

#[test]
fn a_wiped_member_is_refused_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path());
    files::write_marker(&request.marker).unwrap();
    let error = launch(&request).unwrap_err();
    assert!(matches!(error, LaunchError::DataLost { .. }), "{error}");
    let message = fs::read_to_string(&request.termination_log).unwrap();
    let code = Evidence::DataLost.exit_code().into();
    assert_eq!(Exit::of(code, None, &message).evidence, Some(Evidence::DataLost), "{message}");
    assert!(!request.data[0].path.exists(), "a refusal makes nothing");
}

/// The command fails, so each launch comes back and shows what it left.
#[test]
fn only_a_first_start_is_permitted_to_start_empty() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path());
    let permission = request.first_start_file.clone().unwrap();
    let error = launch(&request).unwrap_err();
    assert_eq!(error.to_string(), "cannot execute /nonexistent/app");
    assert!(permission.exists());
    assert!(!request.marker.exists(), "it never ran, so the next start is the first");
    fs::remove_file(&permission).unwrap();
    fs::create_dir_all(request.data[0].path.join("log")).unwrap();
    fs::write(request.data[0].path.join("log/1.log"), "x").unwrap();
    launch(&request).unwrap_err();
    assert!(!permission.exists(), "it has data");
}

#[test]
fn a_seed_that_is_there_stays_unless_it_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (from, once) = (dir.path().join("from"), dir.path().join("new/once"));
    let always = dir.path().join("always");
    let seeds = vec![Seed::once(&from, &once), Seed::always(&from, &always)];
    let request = Launch { seeds, ..request(dir.path()) };
    for (given, kept) in [("1", "1"), ("2", "1")] {
        fs::write(&from, given).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o444)).unwrap();
        launch(&request).unwrap_err();
        assert_eq!(fs::read_to_string(&once).unwrap(), kept);
        assert_eq!(fs::read_to_string(&always).unwrap(), given);
        assert_eq!(fs::metadata(&once).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&from).unwrap();
    }
}

#[test]
fn lines_that_the_application_writes_stay_until_its_first_file_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let (config, list) = (dir.path().join("config"), dir.path().join("list"));
    let launch_with = |first: &Path, size: u8| {
        let text = format!("size={size}\nlist={}\n", first.display());
        let seeds = vec![Seed::text_once("me", first), Seed::text(text, &config).keeping("list=")];
        launch(&Launch { seeds, ..request(dir.path()) }).unwrap_err();
        fs::read_to_string(&config).unwrap()
    };
    assert_eq!(launch_with(&list, 1), format!("size=1\nlist={}\n", list.display()));
    fs::write(&config, "# by the application\nlist=/its/own\nsize=1\n").unwrap();
    assert_eq!(launch_with(&list, 2), "size=2\nlist=/its/own\n");
    let other = dir.path().join("other");
    assert_eq!(launch_with(&other, 2), format!("size=2\nlist={}\n", other.display()));
    assert_eq!(fs::read_to_string(&other).unwrap(), "me");
}

#[test]
fn a_refused_start_copies_nothing_and_a_missing_seed_marks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let seeds = vec![Seed::once(&from, &to)];
    let request = Launch { seeds, ..request(dir.path()) };
    let error = launch(&request).unwrap_err();
    assert!(matches!(error, LaunchError::Io { what: "read", .. }), "{error}");
    assert!(!request.marker.exists());
    fs::write(&from, "x").unwrap();
    launch(&Launch { record: Marker::Present, ..request }).unwrap_err();
    assert!(!to.exists());
}

#[test]
fn a_class_path_is_the_jars_of_its_folder_by_name_and_a_folder_without_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let lib = dir.path().join("lib");
    let request = Launch { class_path: Some(lib.clone()), ..request(dir.path()) };
    fs::create_dir(&lib).unwrap();
    for other in ["a.jsa", "jar", "licence.txt"] {
        fs::write(lib.join(other), "").unwrap();
    }
    let error = launch(&request).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot find the jars in {}", lib.display()));
    assert!(!request.marker.exists(), "it has not started");
    for jar in ["b.jar", "a-2.jar", "c.jar", "a.jar"] {
        fs::write(lib.join(jar), "").unwrap();
    }
    let expected = ["a-2.jar", "a.jar", "b.jar", "c.jar"].map(|it| lib.join(it));
    assert_eq!(files::class_path(&lib).unwrap(), std::env::join_paths(expected).unwrap());
    assert_eq!(launch(&request).unwrap_err().to_string(), "cannot execute /nonexistent/app");
}

#[test]
fn an_unreadable_data_directory_is_an_error_not_a_blank() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path());
    fs::create_dir_all(&request.data[0].path).unwrap();
    fs::write(request.data[0].path.join("log"), "a file, not a directory").unwrap();
    assert!(matches!(launch(&request), Err(LaunchError::DataUnreadable { .. })));
    assert!(!request.marker.exists());
    assert_eq!(evidence(&request, Evidence::DataUnreadable), Some(Evidence::DataUnreadable));
}

/// What the operator makes of the message that was left, if the exit code is that of this evidence.
fn evidence(request: &Launch, of: Evidence) -> Option<Evidence> {
    let message = fs::read_to_string(&request.termination_log).unwrap();
    Exit::of(of.exit_code().into(), None, &message).evidence
}

/// A folder where a file should be stands for a bad disk: for root there is no file that cannot be read.
#[test]
fn data_that_is_there_and_cannot_be_read_is_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path());
    let log = request.data[0].path.join("log");
    fs::create_dir_all(log.join("deep")).unwrap();
    fs::write(log.join("1.log"), "x").unwrap();
    fs::write(log.join("deep/empty"), "").unwrap();
    let started = launch(&request).unwrap_err();
    assert_eq!(started.to_string(), "cannot execute /nonexistent/app");
    assert_eq!(evidence(&request, Evidence::NotStarted), Some(Evidence::NotStarted));
    fs::remove_file(request.data[0].path.join(OWNER_FILE)).unwrap();
    fs::create_dir(request.data[0].path.join(OWNER_FILE)).unwrap();
    let error = launch(&request).unwrap_err();
    assert!(matches!(error, LaunchError::DataUnreadable { .. }), "{error}");
    assert_eq!(evidence(&request, Evidence::DataUnreadable), Some(Evidence::DataUnreadable));
}

/// The mark goes where the data goes.
#[test]
fn a_member_never_starts_as_another() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path());
    launch(&request).unwrap_err();
    fs::create_dir_all(request.data[0].path.join("log")).unwrap();
    fs::write(request.data[0].path.join("log/1.log"), "x").unwrap();
    for pod in [Marker::Absent, Marker::Present] {
        let moved = Launch { member: Some("example-b".to_owned()), pod, ..request.clone() };
        let error = launch(&moved).unwrap_err();
        assert!(matches!(&error, LaunchError::DataForeign { owner, .. } if owner == "example-a"));
        assert_eq!(evidence(&moved, Evidence::DataForeign), Some(Evidence::DataForeign));
        assert!(!moved.marker.exists(), "nothing was started");
    }
    // By a launcher that is told no name, as those of earlier releases are, nobody asks.
    let nameless = Launch { member: None, ..request.clone() };
    assert_eq!(launch(&nameless).unwrap_err().to_string(), "cannot execute /nonexistent/app");
    // Marks that came to nothing on a full disk are none.
    fs::write(request.data[0].path.join(OWNER_FILE), "").unwrap();
    assert_eq!(launch(&request).unwrap_err().to_string(), "cannot execute /nonexistent/app");
    assert_eq!(fs::read_to_string(request.data[0].path.join(OWNER_FILE)).unwrap(), "example-a\n");
}

/// What is longer than a mark can be is another's file. Where there is no data yet a mark takes its place.
#[test]
fn a_mark_that_is_too_long_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path());
    let data = &request.data[0].path;
    let (log, mark) = (data.join("log/1.log"), data.join(OWNER_FILE));
    fs::create_dir_all(data.join("log")).unwrap();
    fs::write(&log, "x").unwrap();
    for (length, is_mark) in [(4_096, true), (4_097, false)] {
        fs::write(&mark, format!("{:length$}", "example-a")).unwrap();
        let error = launch(&request).unwrap_err();
        let unreadable = matches!(error, LaunchError::DataUnreadable { .. });
        assert_eq!(unreadable, !is_mark, "{length}: {error}");
    }
    fs::remove_file(&log).unwrap();
    assert_eq!(launch(&request).unwrap_err().to_string(), "cannot execute /nonexistent/app");
    assert_eq!(fs::read_to_string(&mark).unwrap(), "example-a\n");
}

/// Of a member with two directories, one of which is blank, nobody knows what the application would make.
#[test]
fn a_member_that_lost_one_of_its_directories_has_lost_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = request(dir.path());
    request.data.push(directory(dir.path().join("journal"), "*.j"));
    assert_eq!(launch(&request).unwrap_err().to_string(), "cannot execute /nonexistent/app");
    let owners =
        request.data.iter().map(|it| fs::read_to_string(it.path.join(OWNER_FILE)).unwrap());
    assert_eq!(owners.collect::<Vec<_>>(), ["example-a\n"; 2], "each says whose it is");
    fs::create_dir_all(dir.path().join("data/log")).unwrap();
    let files = ["data/log/1.log", "journal/1.j"].map(|it| dir.path().join(it));
    files.iter().for_each(|it| fs::write(it, "x").unwrap());
    assert_eq!(launch(&request).unwrap_err().to_string(), "cannot execute /nonexistent/app");
    for (lost, directory) in files.iter().zip(&request.data) {
        fs::remove_file(lost).unwrap();
        let error = launch(&request).unwrap_err();
        assert!(
            matches!(&error, LaunchError::DataLost { data_dir, .. } if *data_dir == directory.path),
            "{error}"
        );
        assert_eq!(evidence(&request, Evidence::DataLost), Some(Evidence::DataLost));
        fs::write(lost, "x").unwrap();
    }
    // One of them is another member's.
    fs::write(dir.path().join("journal").join(OWNER_FILE), "example-b").unwrap();
    for blank in [false, true] {
        if blank {
            fs::remove_file(&files[0]).unwrap();
        }
        let error = launch(&request).unwrap_err();
        assert!(matches!(&error, LaunchError::DataForeign { owner, .. } if owner == "example-b"));
    }
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

/// A start whose data is made by these words of a shell.
fn prepared(dir: &Path, script: &str) -> Launch {
    Launch { prepare: os(&["/bin/sh", "-c", script]), ..request(dir) }
}

#[test]
fn nobody_is_started_whose_data_could_not_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data/log/1.log");
    let make = format!("mkdir -p {} && touch {}", data.parent().unwrap().display(), data.display());
    for (script, why) in [
        ("echo begun; echo 'the backup is damaged'; exit 1".to_owned(), "the backup is damaged"),
        ("exit 3".to_owned(), "exit status: 3"),
        ("true".to_owned(), "exit status: 0"),
        ("yes | head -c 1000000; exit 1".to_owned(), "y"),
        (format!("{make}; rm {}; exit 0", data.display()), "exit status: 0"),
    ] {
        let error = launch(&prepared(dir.path(), &script)).unwrap_err();
        assert_eq!(error.evidence(), Some(Evidence::NotStarted));
        assert!(error.to_string().ends_with(why), "{script}: {error}");
        assert!(!dir.path().join("started").exists(), "{script}");
    }
    // What was made is not made again, and then the application runs.
    let error = launch(&prepared(dir.path(), &make)).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/app"), "{error}");
    let error = launch(&prepared(dir.path(), "exit 1")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/app"), "{error}");
    // Data that is gone is lost: it is not made twice.
    std::fs::write(dir.path().join("started"), "").unwrap();
    std::fs::remove_file(data).unwrap();
    let error = launch(&prepared(dir.path(), &make)).unwrap_err();
    assert_eq!(error.evidence(), Some(Evidence::DataLost));
}

/// A pod that is for nothing else says when the data is whole, and as often as it is asked; another starts on it.
#[test]
fn whose_data_is_only_made_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data/log/1.log");
    let make = format!("mkdir -p {} && touch {}", data.parent().unwrap().display(), data.display());
    let only = |script: &str| Launch { only_prepare: true, ..prepared(dir.path(), script) };
    let error = launch(&only("exit 1")).unwrap_err();
    assert_eq!(error.evidence(), Some(Evidence::NotStarted));
    for script in [make.as_str(), "exit 1"] {
        let error = launch(&only(script)).unwrap_err();
        assert_eq!(error.evidence(), Some(Evidence::Prepared), "{error}");
        assert!(!dir.path().join("started").exists());
    }
    let error = launch(&request(dir.path())).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/app"), "{error}");
}

/// Before each start, and only where there is data.
#[test]
fn data_is_changed_before_the_application_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data/log");
    let note = dir.path().join("notes");
    let script = format!("test -e {}/1.log && echo x >> {}", folder.display(), note.display());
    let mends =
        |script: &str| Launch { mend: os(&["/bin/sh", "-c", script]), ..request(dir.path()) };
    let error = launch(&mends("exit 1")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/app"), "nothing is there: {error}");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1.log"), "").unwrap();
    for round in 1..3 {
        let error = launch(&mends(&script)).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/app"), "{error}");
        assert_eq!(std::fs::read_to_string(&note).unwrap().lines().count(), round);
    }
    let error = launch(&mends("echo 'the log is damaged'; exit 1")).unwrap_err();
    assert_eq!(error.evidence(), Some(Evidence::NotStarted));
    assert!(error.to_string().ends_with("the log is damaged"), "{error}");
}
