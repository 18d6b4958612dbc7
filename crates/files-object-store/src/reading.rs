//! Reading a file in large pieces: the crate's own are 8 KiB, each from another thread.

use std::{
    error::Error,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use ticket_domain::ports::FileStreamError;
use tokio::task::spawn_blocking;

/// How many bytes are read at once.
const PIECE: u64 = 256 * 1024;

/// The bytes of a range of a file.
pub(crate) fn pieces(file: File, range: Range<u64>) -> impl Stream<Item = Result<Bytes, FileStreamError>> {
    stream::try_unfold((file, range), |(mut file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let read = spawn_blocking(move || -> io::Result<_> {
            let wanted = PIECE.min(range.end - range.start);
            let mut piece = Vec::with_capacity(usize::try_from(wanted).map_err(io::Error::other)?);
            file.seek(SeekFrom::Start(range.start))?;
            if file.by_ref().take(wanted).read_to_end(&mut piece)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let next = range.start + piece.len() as u64;
            Ok((Bytes::from(piece), (file, next..range.end)))
        });
        read.await
            .map_err(io::Error::other)
            .flatten()
            .map(Some)
            .map_err(broke_off)
    })
}

pub(crate) fn broke_off(error: impl Error + Send + Sync + 'static) -> FileStreamError {
    FileStreamError::BrokeOff(Arc::new(error))
}
