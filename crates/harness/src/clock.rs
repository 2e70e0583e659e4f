//! The clock of one process set to another time. A Go program asks the vDSO for the time, which is code that the kernel
//! maps into each process: there the answer is changed, for this process alone. Its monotonic clock stays as it is.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{freeze, thaw};

/// How long it may take to find a process outside of the code that is changed.
const OUTSIDE_MAX: Duration = Duration::from_secs(5);
const ASKED: &[u8] = b"__vdso_clock_gettime\0";
/// Of a section's type: the table of symbols that others link with.
const DYNAMIC_SYMBOLS: u32 = 11;
const SECTION_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;

/// Where the code is, in a process.
struct Code {
    start: u64,
    end: u64,
}

/// Sets a process's wall clock off by so many seconds; 0 is the time that it is. Of x86-64, and as root.
pub fn set_clock_off(process: u32, seconds: i64) -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "the code is that of another processor");
    let code = code(process)?;
    frozen_outside(process, &code)?;
    let set = write(process, &code, seconds);
    thaw(process)?;
    set
}

fn code(process: u32) -> Result<Code> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let line = maps.lines().find(|it| it.ends_with("[vdso]")).context("it has no vDSO")?;
    let range = line.split_whitespace().next().and_then(|it| it.split_once('-'));
    let (start, end) = range.context("a map has a range")?;
    Ok(Code { start: u64::from_str_radix(start, 16)?, end: u64::from_str_radix(end, 16)? })
}

/// Freezes a process at a moment when none of its threads is in the code.
fn frozen_outside(process: u32, code: &Code) -> Result<()> {
    let end = Instant::now() + OUTSIDE_MAX;
    loop {
        freeze(process)?;
        if is_outside(process, code)? {
            return Ok(());
        }
        thaw(process)?;
        ensure!(Instant::now() < end, "process {process} does nothing but look at the clock");
    }
}

fn is_outside(process: u32, code: &Code) -> Result<bool> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let call = fs::read_to_string(task?.path().join("syscall"))?;
        // The last word is where it is; "running" has not stopped yet.
        let place = call.split_whitespace().last().and_then(|it| it.strip_prefix("0x"));
        let place = place.and_then(|it| u64::from_str_radix(it, 16).ok());
        if place.is_none_or(|it| (code.start..code.end).contains(&it)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write(process: u32, code: &Code, seconds: i64) -> Result<()> {
    let memory = File::options().read(true).write(true).open(format!("/proc/{process}/mem"))?;
    let mut image = vec![0; usize::try_from(code.end - code.start)?];
    memory.read_exact_at(&mut image, code.start)?;
    let at = asked(&image).context("its vDSO tells no time")?;
    memory.write_all_at(&answer(seconds), code.start + at)?;
    Ok(())
}

/// `clock_gettime` by the system call, the seconds of the wall clock off by so many.
fn answer(seconds: i64) -> Vec<u8> {
    let call = [
        0xb8, 0xe4, 0, 0, 0, // mov eax, 228
        0x57, 0x56, // push rdi; push rsi
        0x0f, 0x05, // syscall
        0x5e, 0x5f, // pop rsi; pop rdi
        0x85, 0xff, // test edi, edi: 0 is the wall clock
        0x75, 0x0d, // jne to ret
        0x48, 0xb9, // movabs rcx, seconds
    ];
    let add = [0x48, 0x01, 0x0e, 0xc3]; // add [rsi], rcx; ret
    [&call[..], &seconds.to_le_bytes(), &add].concat()
}

/// Where in an ELF image the function is.
fn asked(image: &[u8]) -> Option<u64> {
    let (sections, count) = (place(image, 0x28)?, number::<2>(image, 0x3c)?);
    let mut headers =
        (0..count).map(|it| sections + usize::try_from(it).unwrap_or(0) * SECTION_BYTES);
    let symbols = headers.find(|it| number::<4>(image, it + 4) == Some(DYNAMIC_SYMBOLS.into()))?;
    let linked = usize::try_from(number::<4>(image, symbols + 40)?).ok()?;
    let names = place(image, sections + linked * SECTION_BYTES + 24)?;
    let (first, bytes) = (place(image, symbols + 24)?, place(image, symbols + 32)?);
    let mut all = (first..first + bytes).step_by(SYMBOL_BYTES);
    let is_asked = |symbol: &usize| {
        let name = number::<4>(image, *symbol).and_then(|it| usize::try_from(it).ok());
        name.and_then(|it| image.get(names + it..)).is_some_and(|it| it.starts_with(ASKED))
    };
    number::<8>(image, all.find(is_asked)? + 8)
}

fn place(image: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number::<8>(image, at)?).ok()
}

/// A number of so many bytes.
fn number<const BYTES: usize>(image: &[u8], at: usize) -> Option<u64> {
    let mut number = [0; 8];
    number[..BYTES].copy_from_slice(image.get(at..at + BYTES)?);
    Some(u64::from_le_bytes(number))
}
