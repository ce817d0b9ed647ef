//! Where the bytes of a backup go.

use std::{
    future::Future,
    io::{ErrorKind, Result, Write},
};

use tokio::sync::mpsc::Sender;

use super::BackupError;

pub(super) trait Out: Send {
    fn write(&mut self, bytes: Vec<u8>) -> impl Future<Output = Result<()>> + Send;

    fn finish(&mut self) -> Result<()>;
}

/// Writes on the calling task.
pub(super) struct Plain<W>(pub(super) W);

impl<W: Write + Send> Out for Plain<W> {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.0.write_all(&bytes)
    }

    fn finish(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// Waits until the reader takes the bytes.
impl Out for Sender<std::result::Result<Vec<u8>, BackupError>> {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.send(Ok(bytes)).await.map_err(|_| ErrorKind::BrokenPipe.into())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
