//! A thread as JSON, written piece by piece while its reader takes it.
//!
//! All readers share the thread, so a slow one takes little more memory than a piece of its text.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody as ResponseBody},
    web::Bytes,
};

use super::{MessageBody, ThreadBody};
use crate::{
    access::SharedView,
    api::{
        problem::{Code, Problem},
        success::Success,
    },
};

/// From this many bytes on a piece ends with its message.
const PIECE: usize = 16 * 1024;
/// Where the messages go in a thread without any.
const END: &[u8] = b"]}";

/// The body of a response.
pub(super) struct ThreadJson {
    view: SharedView,
    /// All of the body, in bytes.
    length: u64,
    /// What comes next. None at the end.
    piece: Option<Vec<u8>>,
    /// The number of messages that were written.
    written: usize,
}

/// A thread whose first piece is written.
pub(super) enum Begun {
    /// It is all there is.
    Whole(Vec<u8>),
    /// There is more.
    Part(ThreadJson),
}

impl ThreadJson {
    pub(super) fn of(view: SharedView) -> Result<Begun, Problem> {
        let unwritable = |_| Problem::new(Code::Internal);
        let head = serde_json::to_vec(&Success::new(ThreadBody::empty(view.thread()))).map_err(unwritable)?;
        let mut json = Self {
            view,
            length: 0,
            piece: None,
            written: 0,
        };
        let first = json.next_piece(head.strip_suffix(END).unwrap_or(&head).to_vec());
        let first = first.map_err(unwritable)?;
        let rest = &json.view.thread().messages[json.written..];
        if rest.is_empty() {
            return Ok(Begun::Whole(first));
        }
        let mut count = Count(first.len() as u64 + END.len() as u64);
        for message in rest {
            count.0 += 1;
            serde_json::to_writer(&mut count, &MessageBody::from(message)).map_err(unwritable)?;
        }
        json.length = count.0;
        json.piece = Some(first);
        Ok(Begun::Part(json))
    }

    /// Adds messages to `piece`, and the end after the last.
    fn next_piece(&mut self, mut piece: Vec<u8>) -> serde_json::Result<Vec<u8>> {
        let messages = &self.view.thread().messages;
        while let Some(message) = messages.get(self.written).filter(|_| piece.len() < PIECE) {
            if self.written > 0 {
                piece.push(b',');
            }
            serde_json::to_writer(&mut piece, &MessageBody::from(message))?;
            self.written += 1;
        }
        if self.written == messages.len() {
            piece.extend_from_slice(END);
        }
        Ok(piece)
    }
}

impl ResponseBody for ThreadJson {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        let Some(piece) = this.piece.take() else {
            return Poll::Ready(None);
        };
        if this.written < this.view.thread().messages.len() {
            // What was counted can be written.
            this.piece = this.next_piece(Vec::new()).ok();
        }
        Poll::Ready(Some(Ok(piece.into())))
    }
}

/// Counts bytes.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
