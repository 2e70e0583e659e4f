//! Frames over a socket.

use std::io;
use std::sync::Arc;

use machinery::error::ApiError;
use machinery::stream::{Decoder, Frame, StreamReply, encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

pub(super) struct FrameReader<R> {
    from: R,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, decoder: Decoder::new(), buffer: vec![0; 16 * 1024] }
    }

    /// The next frame; `None` at the end. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            let count = self.from.read(&mut self.buffer).await?;
            if count == 0 {
                return Ok(None);
            }
            self.decoder.feed(&self.buffer[..count]);
        }
    }
}

/// Shared by the tasks that write to one client; a frame is written whole.
pub(super) struct FrameWriter<W> {
    to: Arc<Mutex<W>>,
}

impl<W> Clone for FrameWriter<W> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone() }
    }
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to: Arc::new(Mutex::new(to)) }
    }

    pub(super) async fn accept(&self) -> io::Result<()> {
        self.to.lock().await.write_all(&StreamReply::accepted().encode()).await
    }

    pub(super) async fn refuse(&self, error: &ApiError) -> io::Result<()> {
        self.to.lock().await.write_all(&StreamReply::refused(error).encode()).await
    }

    pub(super) async fn send(&self, channel: u8, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 8);
        encode(channel, payload, &mut bytes);
        self.to.lock().await.write_all(&bytes).await
    }

    /// Says that nothing more comes.
    pub(super) async fn finish(&self) -> io::Result<()> {
        self.to.lock().await.shutdown().await
    }
}
