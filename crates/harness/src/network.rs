//! The network of one pod, broken and mended: by `nsenter`, `ip` and `tc`, and so as root.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What is done to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing gets in or out.
    Cut,
    /// What is sent is lost; what is received is not.
    Mute,
    /// A line that carries 200 kbit/s.
    Slow,
}

/// The network of a process's pod. It is held, so that it can be mended though the process has ended.
pub struct PodNetwork {
    namespace: File,
    gateway: String,
    broken: Option<Broken>,
}

impl PodNetwork {
    /// That of the pod of this process.
    pub fn of(process: u32) -> Result<Self> {
        let namespace = File::open(format!("/proc/{process}/ns/net"))?;
        ensure!(is_another(&namespace)?, "process {process} has no network of its own");
        let route = inside(&namespace, &["ip", "-o", "route", "show", "default"])?;
        let gateway = route.split_whitespace().nth(2).context("a pod has a gateway")?.to_owned();
        Ok(Self { namespace, gateway, broken: None })
    }

    /// Breaks it, until it is mended or dropped.
    pub fn break_it(&mut self, how: Broken) -> Result<()> {
        self.mend()?;
        self.broken = Some(how);
        let queue = ["tc", "qdisc", "replace", "dev", "eth0", "root"];
        let slow = ["tbf", "rate", "200kbit", "burst", "5k", "latency", "3s"];
        match how {
            Broken::Cut => self.run(&["ip", "link", "set", "eth0", "down"])?,
            Broken::Mute => self.run(&[&queue[..], &["blackhole"]].concat())?,
            Broken::Slow => self.run(&[&queue[..], &slow].concat())?,
        };
        Ok(())
    }

    /// Mends it, which a pod that is gone needs no more.
    pub fn mend(&mut self) -> Result<()> {
        match self.broken.take() {
            None => {}
            Some(Broken::Cut) => {
                self.run(&["ip", "link", "set", "eth0", "up"])?;
                // The kernel takes it away with the link.
                self.run(&["ip", "route", "replace", "default", "via", &self.gateway])?;
            }
            Some(Broken::Mute | Broken::Slow) => {
                self.run(&["tc", "qdisc", "del", "dev", "eth0", "root"])?;
            }
        }
        Ok(())
    }

    fn run(&self, command: &[&str]) -> Result<String> {
        inside(&self.namespace, command)
    }
}

/// What a command prints that runs in a network namespace.
fn inside(namespace: &File, command: &[&str]) -> Result<String> {
    let net = format!("--net=/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    let output = Command::new("nsenter").arg(net).args(command).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

impl Drop for PodNetwork {
    fn drop(&mut self) {
        // The pod may be gone, and its link with it.
        let _ = self.mend();
    }
}

/// Nothing here may ever touch the network of this machine.
fn is_another(namespace: &File) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(namespace.metadata()?.ino() != fs::metadata("/proc/self/ns/net")?.ino())
}
