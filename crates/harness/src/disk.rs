//! What is on a member's disk, made wrong, and a disk that is full.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The database in a claim's folder.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("member/snap/db")
}

/// Cuts a file in half.
pub fn truncate(file: &Path) -> Result<()> {
    let file = File::options().write(true).open(file)?;
    file.set_len(file.metadata()?.len() / 2)?;
    Ok(())
}

/// Turns a bit in the middle of what the newest file of a write-ahead log holds: the rest of the file is zeros.
pub fn flip_log(folder: &Path) -> Result<()> {
    let logs = fs::read_dir(folder.join("member/wal"))?.filter_map(|it| Some(it.ok()?.path()));
    let newest = logs.filter(|it| it.extension().is_some_and(|it| it == "wal")).max();
    let newest = newest.context("it has no log")?;
    let bytes = fs::read(&newest)?;
    let end = bytes.iter().rposition(|it| *it != 0).context("its log is empty")?;
    let file = File::options().write(true).open(&newest)?;
    file.write_all_at(&[bytes[end / 2] ^ 1], (end / 2) as u64)?;
    Ok(())
}

/// Makes the first byte of a value another wherever it is in a file, beneath the process that has it open. Whether it
/// was there.
pub fn spoil(file: &Path, value: &str) -> Result<bool> {
    let bytes = fs::read(file)?;
    let found = |at: &usize| bytes[*at..].starts_with(value.as_bytes());
    let file = File::options().write(true).open(file)?;
    let mut spoilt = false;
    for at in (0..bytes.len()).filter(found) {
        file.write_all_at(b"W", at as u64)?;
        spoilt = true;
    }
    Ok(spoilt)
}

/// A folder that is on a small disk of its own meanwhile, which is full.
pub struct FullDisk {
    /// The process whose mounts these are: a node's.
    node: u32,
    folder: PathBuf,
    is_mounted: bool,
}

impl FullDisk {
    /// Puts what is in the folder on a disk with no room beside it, in the mounts of the node that runs this process.
    /// The process uses the folder and is frozen: it has to be killed then, or it goes on with the files that it has
    /// open. As root.
    pub fn of(process: u32, folder: &Path) -> Result<Self> {
        let disk = Self { node: parent(process)?, folder: folder.to_owned(), is_mounted: true };
        disk.run(
            "cp -a --sparse=always $0 $0.saved
             mount -t tmpfs -o size=$(($(du -sk $0.saved | cut -f1) + 512))k,mode=700 none $0
             cp -a --sparse=always $0.saved/. $0/
             rm -r $0.saved
             head -c 64M /dev/zero >$0/.full 2>/dev/null || true",
        )?;
        Ok(disk)
    }

    /// Gives it room.
    pub fn give_room(&self) -> Result<()> {
        self.run("rm -f $0/.full; mount -o remount,size=512m $0")
    }

    /// Puts all back to where it was. Whoever uses the folder is frozen, and has to be killed then.
    pub fn put_back(mut self) -> Result<()> {
        self.is_mounted = false;
        self.run(
            "cp -a $0 $0.saved
             umount -l $0
             find $0 -mindepth 1 -delete
             cp -a $0.saved/. $0/
             rm -r $0.saved",
        )
    }

    fn run(&self, script: &str) -> Result<()> {
        // Who unmounts looks up its own process, and the /proc of a node has only those of its own.
        let spaces = [("mount", "mnt"), ("pid", "pid")];
        let spaces = spaces.map(|(of, file)| format!("--{of}=/proc/{}/ns/{file}", self.node));
        let mut command = Command::new("nsenter");
        command.args(&spaces).args(["sh", "-ec", script]).arg(&self.folder);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{script}: {said}");
        Ok(())
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        // The claim is gone with its member.
        let _ = if self.is_mounted { self.run("umount -l $0") } else { Ok(()) };
    }
}

/// The process that started another.
fn parent(process: u32) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let parent = status.lines().find_map(|it| it.strip_prefix("PPid:"));
    Ok(parent.context("a process has a parent")?.trim().parse()?)
}
