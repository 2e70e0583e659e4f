//! Port-forward: a connection into the pod's network namespace for each port, so that programs that listen on the pod's
//! loopback only are reached as well.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use machinery::stream::{CLOSE, FORWARD_PORTS_MAX, Forward};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf as TcpWrite;
use tokio::net::unix::OwnedWriteHalf;
use tokio::task::JoinSet;

use super::frames::FrameWriter;
use super::{Frames, Streams};
use crate::network::inside;

impl Streams {
    pub(super) async fn forward(&self, request: Forward, frames: Frames) -> io::Result<()> {
        let (mut from, to) = frames;
        let pod = match self.pod(&request.target) {
            Ok(pod) => pod,
            Err(error) => return to.refuse(&error).await,
        };
        to.accept().await?;
        let pins = self.paths.namespaces(&pod.uid);
        let mut sinks: Vec<Option<TcpWrite>> = Vec::new();
        let mut pumps = JoinSet::new();
        for (index, port) in request.ports.iter().take(FORWARD_PORTS_MAX).enumerate() {
            let channel = u8::try_from(index * 2).expect("bounded by FORWARD_PORTS_MAX");
            match connect(pins.clone(), *port).await {
                Ok(stream) => {
                    let (mut read, write) = stream.into_split();
                    sinks.push(Some(write));
                    let to = to.clone();
                    pumps.spawn(async move { pump(&mut read, channel, &to).await });
                }
                Err(error) => {
                    sinks.push(None);
                    let name = &request.target.pod;
                    let text = format!(
                        "error forwarding port {port} to pod {name}, uid {}: failed to connect: {error}",
                        pod.uid
                    );
                    to.send(channel + 1, text.as_bytes()).await?;
                    to.send(CLOSE, &[channel]).await?;
                }
            }
        }
        loop {
            tokio::select! {
                frame = from.next() => match frame? {
                    Some(frame) => deliver(&mut sinks, frame.channel, &frame.payload).await,
                    None => return Ok(()),
                },
                ended = pumps.join_next() => if ended.is_none() { return Ok(()) },
            }
        }
    }
}

/// Opens a connection from inside the pod to its own loopback.
async fn connect(pins: PathBuf, port: u16) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Handle::current();
    inside(pins, move || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Blocking: the connection is local, and the thread exists for it alone.
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        let _guard = runtime.enter();
        TcpStream::from_std(stream)
    })
    .await
}

async fn pump(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    channel: u8,
    to: &FrameWriter<OwnedWriteHalf>,
) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return to.send(CLOSE, &[channel]).await;
        }
        to.send(channel, &buffer[..count]).await?;
    }
}

async fn deliver(sinks: &mut [Option<TcpWrite>], channel: u8, payload: &[u8]) {
    let closes = channel == CLOSE;
    let data = if closes { payload.first().copied().unwrap_or(CLOSE) } else { channel };
    if data % 2 != 0 {
        return;
    }
    let Some(slot) = sinks.get_mut(usize::from(data / 2)) else { return };
    if closes {
        // Dropping the half tells the program that nothing more comes.
        *slot = None;
    } else if let Some(sink) = slot
        && sink.write_all(payload).await.is_err()
    {
        *slot = None;
    }
}
