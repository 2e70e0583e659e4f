//! The launcher in front of a real etcd: a member starts once on a blank directory, any number of times on its data,
//! and never blank again.

use std::fs;
use std::process::Command;

use crate::support::{Place, Process, eventually, wipe};
use endstate::launcher;
use endstate_core::{Evidence, Exit};
use endstate_etcd::client::Connection;

/// Arguments for the child below, separated by line feeds.
const ARGUMENTS: &str = "ENDSTATE_TEST_LAUNCH";

/// Not a test of its own: this executable, started again, as the launcher. It becomes etcd.
#[test]
fn launcher_process() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let code = launcher::main(arguments.lines().map(str::to_owned).collect());
    let lost = Evidence::DataLost.exit_code();
    let refused = code == std::process::ExitCode::from(lost);
    // Its own exit code is what the kubelet would see.
    #[expect(clippy::exit, reason = "this process stands for a container")]
    std::process::exit(if refused { lost.into() } else { 1 });
}

/// Starts a member; `mark` is what the operator wrote on its pod.
fn launch(place: &Place, mark: &str) -> Process {
    let etcd = crate::support::etcd();
    let words = [
        "--data-dir".to_owned(),
        place.data_dir().display().to_string(),
        "--present".to_owned(),
        "member/wal/*.wal".to_owned(),
        "--marker".to_owned(),
        place.dir.path().join("started").display().to_string(),
        "--termination-log".to_owned(),
        place.dir.path().join("termination-log").display().to_string(),
        "--".to_owned(),
        etcd.display().to_string(),
    ];
    let flags = place.arguments(&[place], "new");
    let flags = flags.iter().map(|it| it.to_str().unwrap().to_owned());
    let arguments: Vec<_> = words.into_iter().chain(flags).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["launcher::launcher_process", "--exact", "--nocapture"]);
    command.env(ARGUMENTS, arguments.join("\n")).env(launcher::STARTED_VARIABLE, mark);
    place.spawn(command)
}

async fn member(place: &Place) -> u64 {
    eventually("the member leads itself", async || {
        let status = Connection::to(&place.endpoint()).await?.status().await?;
        let no_leader = endstate_etcd::client::Failure::unknown("no leader");
        if status.leader == 0 { Err(no_leader) } else { Ok(status.member) }
    })
    .await
}

/// A start that does not become etcd, and says why.
fn assert_refused(place: &Place, mark: &str) {
    let status = launch(place, mark).0.wait().unwrap();
    let said = fs::read_to_string(place.dir.path().join("termination-log")).unwrap();
    let exit = Exit::of(status.code().unwrap(), None, &said);
    assert_eq!(exit.evidence, Some(Evidence::DataLost), "{status} {said}");
    assert!(exit.words.to_string().contains("refusing to start blank"), "{said}");
    assert!(!place.data_dir().exists(), "etcd was not started");
}

#[tokio::test]
async fn a_member_restarts_on_its_data_and_never_blank() {
    let place = Place::new("a");
    let mut process = launch(&place, "");
    let first = member(&place).await;
    process.kill();

    let mut process = launch(&place, "");
    assert_eq!(member(&place).await, first, "the same member again");
    process.kill();

    wipe(&place.data_dir());
    assert_refused(&place, "");
}

/// The node lost every directory of the pod, the launcher's among them; the pod object tells.
#[tokio::test]
async fn a_member_that_lost_its_marker_too_is_refused() {
    let place = Place::new("a");
    let mut process = launch(&place, "");
    let first = member(&place).await;
    process.kill();

    let mark = format!("{first:x}");
    let mut process = launch(&place, &mark);
    assert_eq!(member(&place).await, first, "the mark does not keep it from its data");
    process.kill();

    wipe(&place.data_dir());
    fs::remove_file(place.dir.path().join("started")).unwrap();
    assert_refused(&place, &mark);
}
