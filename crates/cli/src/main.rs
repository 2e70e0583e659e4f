//! The `endstate` command line: flags in, calls, text out. No logic of its own.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod apply;
mod args;
mod connect;
mod delete;
mod doctor;
mod exec;
mod forward;
mod get;
mod hidden;
mod image;
mod install;
mod logs;
mod output;
mod resources;
mod status;
mod up;
mod version;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};

use args::{Args, Command};

fn main() -> ExitCode {
    // The node's agent has to leave the host's namespaces before any thread exists.
    if let Some(code) = hidden::run_before_threads() {
        return code;
    }
    let args = Args::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing else installs a TLS provider");
    }
    match run(args) {
        Ok(code) => code,
        // The reader of a pipe went away, as `head` does: nothing is wrong.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn run(args: Args) -> Result<ExitCode> {
    let global = &args.global;
    match args.command {
        Command::Up(args) => up::run(global, args).await?,
        Command::Install(args) => install::run(global, args).await?,
        Command::Apply(args) => apply::run(global, args).await?,
        Command::Get(args) => get::run(global, args).await?,
        Command::Delete(args) => delete::run(global, args).await?,
        Command::Logs(args) => logs::run(global, args).await?,
        Command::Exec(args) => return exec::run(global, args).await,
        Command::Forward(args) => forward::run(global, args).await?,
        Command::Status(args) => status::run(global, args).await?,
        Command::Image(args) => image::run(args).await?,
        Command::Doctor(args) => return doctor::run(args),
        Command::Version(args) => version::run(global, args).await?,
        Command::Completions(args) => {
            let mut command = Args::command();
            clap_complete::generate(args.shell, &mut command, "endstate", &mut std::io::stdout());
        }
        Command::Operator(args) => hidden::operator(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}
