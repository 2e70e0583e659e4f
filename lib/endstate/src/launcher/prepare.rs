//! What makes a member's data before its first start, or changes it before another.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use endstate_core::Words;

use super::decision::Data;
use super::error::{LaunchError, io_error};
use super::request::Launch;
use super::survey::survey;

/// How much is read of what the program says.
const SAID_MAX: u64 = 64 * 1024;

/// Runs a program with its arguments. It must end well and leave the data; why it did not is the last line that it
/// prints.
pub(super) fn run(request: &Launch, words: &[OsString]) -> Result<(), LaunchError> {
    let program = Path::new(&words[0]);
    let mut command = Command::new(program);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(io_error("execute", program))?;
    let said = said(&mut child).map_err(io_error("read what is said by", program))?;
    let status = child.wait().map_err(io_error("wait for", program))?;
    let why = Words::of(&said);
    match survey(request)?.data {
        Data::Present if status.success() => Ok(()),
        _ if why.is_empty() => Err(LaunchError::Prepare(Words::of(&status.to_string()))),
        _ => Err(LaunchError::Prepare(why)),
    }
}

/// All that it prints, of which the beginning counts: a pipe that nobody reads would hold it up.
fn said(child: &mut Child) -> std::io::Result<String> {
    let Some(mut output) = child.stdout.take() else { return Ok(String::new()) };
    let mut said = vec![];
    (&mut output).take(SAID_MAX).read_to_end(&mut said)?;
    std::io::copy(&mut output, &mut std::io::sink())?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
