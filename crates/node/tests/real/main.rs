//! Real nodes: namespaces, networks, images, containers, against the real API server.
//!
//! This executable plays every role: the test, the node's agent (`node-agent`), and the program in the pods
//! (`program`), through the image `endstate:test` that the node makes of it. As root the whole suite runs twice, the
//! second time as an ordinary user. Arguments that are not options filter cases by name.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test with a main"
)]

mod attacks;
mod cases;
mod images;
mod limits;
mod program;
mod restart;
mod security;
mod streams;
mod world;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::AssertUnwindSafe;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use futures::FutureExt;
use world::World;

/// Nobody, whom every system has.
const ORDINARY_USER: u32 = 65_534;
const PROCESSES_MAX: u64 = 16_384;
/// The waits in a case are shorter; this ends what forgot to have one.
const CASE_TIME_MAX: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("node-agent") => {
            log_to_stderr();
            node::agent::main(args[1..].to_vec())
        }
        Some("program") => program::main(&args[1..]),
        Some("cases") => run_cases(&args[1..]),
        _ => run_as_everyone(&args),
    }
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Each identity in a process of its own, from a copy of the executable that everybody can reach.
fn run_as_everyone(args: &[String]) -> ExitCode {
    if args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let executable = dir.path().join("real");
    std::fs::copy(std::env::current_exe().unwrap(), &executable).unwrap();
    let mut failed = false;
    let root = nix::unistd::geteuid().is_root();
    for ordinary in if root { vec![false, true] } else { vec![true] } {
        println!("as {}:", if ordinary { "an ordinary user" } else { "root" });
        let mut command = Command::new(&executable);
        command.arg("cases").args(&filters).env("TMPDIR", dir.path()).env("HOME", dir.path());
        if root && ordinary {
            command.uid(ORDINARY_USER).gid(ORDINARY_USER);
        }
        failed |= !command.status().unwrap().success();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run_cases(filters: &[String]) -> ExitCode {
    log_to_stderr();
    allow_few_processes();
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut failed = 0;
    for (name, case) in all() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let start = Instant::now();
        let verdict = runtime.block_on(verdict(case));
        println!("test {name} ... {verdict} ({:.2} s)", start.elapsed().as_secs_f64());
        failed += u32::from(verdict != "ok");
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The usual limit of a user's processes follows the machine's memory; a case reaches a quarter of it.
fn allow_few_processes() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nproc);
    limit.current = Some(PROCESSES_MAX);
    setrlimit(Resource::Nproc, limit).unwrap();
}

async fn verdict(case: Case) -> &'static str {
    let caught = AssertUnwindSafe(case()).catch_unwind();
    match tokio::time::timeout(CASE_TIME_MAX, caught).await {
        Ok(Ok(())) => "ok",
        Ok(Err(_)) => "FAILED",
        Err(_) => "FAILED: not over in time",
    }
}

type Case = fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>>;

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$((stringify!($name), (|| Box::pin($module::$name()) as _) as Case)),*]
    };
}

fn all() -> Vec<(&'static str, Case)> {
    cases![
        cases::pods_run_and_end,
        cases::configuration_reaches_containers,
        cases::crashes_back_off,
        cases::init_containers_share_volumes,
        cases::grace_ends_with_a_kill,
        cases::names_and_cluster_addresses_work,
        cases::unhealthy_containers_are_restarted,
        cases::missing_things_are_reported,
        cases::nodes_are_registered,
        limits::missing_limits_are_told,
        limits::limits_are_seen_by_containers,
        limits::running_pods_are_resized,
        limits::a_memory_eater_is_killed_alone,
        limits::a_pod_that_forks_is_bounded,
        limits::the_control_plane_outlives_pods,
        cases::files_follow_their_objects,
        cases::images_change_in_place,
        cases::every_node_has_its_pods,
        cases::a_network_that_was_not_made_is_tried_again,
        streams::commands_logs_and_ports,
        streams::attached_clients_see_and_feed,
        images::imported_images_run,
        images::images_are_pulled_from_a_registry,
        restart::volumes_survive_a_restart,
        restart::a_killed_node_leaves_nothing,
        restart::a_killed_agent_is_replaced,
        security::a_pods_root_reaches_nothing_else,
        security::what_the_host_has_needs_a_word,
        security::host_paths_stay_below_their_folder,
        security::volumes_are_their_claims,
        security::parts_of_volumes_stay_inside,
        security::ids_are_honoured_or_refused,
        security::kernel_parameters_are_the_pods_own,
        security::system_calls_are_filtered,
        security::other_runtimes_are_not_replaced_by_ours,
    ]
}
