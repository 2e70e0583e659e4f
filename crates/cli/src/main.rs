//! The `endstate` command line: flags in, calls, text out. No logic of its own.

mod apply;
mod args;
mod backup;
mod catalogue;
mod connect;
mod delete;
mod doctor;
mod exec;
mod failure;
mod forward;
mod get;
mod hidden;
mod image;
mod install;
mod logs;
mod output;
mod plan;
mod resources;
mod service;
mod status;
mod up;
mod version;

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use args::{Args, Command};

fn main() -> ExitCode {
    // The node's agent has to leave the host's namespaces before any thread exists.
    if let Some(code) = hidden::run_before_threads() {
        return code;
    }
    let args = Args::read();
    args.global.color.write_global();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing else installs a TLS provider");
    }
    match run(args) {
        Ok(code) => code,
        // As other tools for lines of text: nothing is wrong.
        Err(error) if error.is::<output::ReaderGone>() => ExitCode::SUCCESS,
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
        Command::Plan(args) => plan::plan(global, args).await?,
        Command::Explain(args) => plan::explain(global, args).await?,
        Command::Status(args) => status::run(global, args).await?,
        Command::Backup(args) => backup::backup(args)?,
        Command::Restore(args) => backup::restore(args)?,
        Command::Image(args) => image::run(args).await?,
        Command::Doctor(args) => return doctor::run(args),
        Command::Version(args) => version::run(global, args).await?,
        Command::Completions(args) => {
            let (mut command, mut script) = (Args::command(), Vec::new());
            clap_complete::generate(args.shell, &mut command, "endstate", &mut script);
            output::text(&String::from_utf8_lossy(&script))?;
        }
        Command::Operator(args) => hidden::operator(args).await?,
        Command::Agent(args) => return hidden::agent(args).await,
    }
    Ok(ExitCode::SUCCESS)
}
