//! Terminals: the runtime makes the pseudo terminal inside the container and sends us its master over a socket.

use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::termios::Winsize;
use tokio::net::UnixListener;

/// Where the runtime sends the master.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let _ = std::fs::remove_file(path);
        Ok(Self { listener: UnixListener::bind(path)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn receive(self) -> io::Result<Console> {
        let (stream, _) = self.listener.accept().await?;
        stream.readable().await?;
        let stream = stream.into_std()?;
        // The message is short and comes as one piece.
        stream.set_nonblocking(false)?;
        Ok(Console { master: Arc::new(File::from(receive_descriptor(&stream)?)) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn receive_descriptor(stream: &std::os::unix::net::UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 256];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut name)], &mut control, flags)?;
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors
        .next()
        .and_then(|mut all| all.next())
        .ok_or_else(|| io::Error::other("no terminal came"))
}

/// The master of a container's pseudo terminal. Reads and writes block, so they run on threads of their own.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    master: Arc<File>,
}

impl Console {
    /// Reads what the container wrote; 0 at the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match (&*self.master).read(buffer) {
            // How a terminal says that its other side is closed.
            Err(error) if error.raw_os_error() == Some(5) => Ok(0),
            other => other,
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&*self.master).write_all(bytes)
    }

    pub(crate) fn resize(&self, width: u16, height: u16) -> io::Result<()> {
        let size = Winsize { ws_col: width, ws_row: height, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&*self.master, size).map_err(Into::into)
    }
}
