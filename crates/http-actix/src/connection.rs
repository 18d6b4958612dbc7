//! A connection that is closed when its client is too slow.
//!
//! actix limits the head of a connection's first request only, and the idle time of a connection that never sent a byte.
//! The deadlines here apply to every request: to its head once it has begun, to the pause before it, and to each write of
//! its response. Body readers have a deadline of their own.
//!
//! A client that pipelines requests without reading the responses can't fill the memory: after a few responses the next
//! request waits until they are written, and nothing is read meanwhile.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    Deadlines,
    access::{AccessControl, BytePermit, ConnectionPermit, TooMany},
};

/// The response to a client that does not finish a head in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Maximum number of unwritten responses, so that pipelined requests are answered in one write.
const MAX_UNWRITTEN: u8 = 16;

/// Maximum number of bytes that are read before they are processed: they may contain a hundred requests.
const MAX_READ: usize = 4 * 1024;

/// Maximum number of bytes from the client of an event stream, which has nothing to send. actix would buffer them, and
/// parse them again and again.
const MAX_WHILE_STREAMING: usize = 8 * 1024;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client begins a request before this time.
    Idle(Instant),
    /// The client finishes a request's head before this time.
    Head(Instant),
    /// A handler responds, and the client reads.
    Responding,
    /// The client reads an event stream. Counts the bytes that it has sent meanwhile.
    Streaming(usize),
}

/// The state of a connection, which its socket and the handlers of its requests share.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    phase: Cell<Phase>,
    /// Responses begun since the last flush.
    unwritten: Cell<u8>,
    /// Whether a request waits for the next flush.
    is_held: Cell<bool>,
    deadlines: Deadlines,
}

impl ConnectionState {
    fn new(deadlines: Deadlines) -> Self {
        Self {
            // A client connects to send a request at once.
            phase: Cell::new(Phase::Head(Instant::now() + deadlines.head)),
            unwritten: Cell::new(0),
            is_held: Cell::new(false),
            deadlines,
        }
    }

    /// Counts received bytes. False if the connection must be closed: the head is late, or the client of an event stream
    /// sends too much.
    fn received(&self, count: usize) -> bool {
        match self.phase.get() {
            Phase::Idle(_) => {
                let until = Instant::now() + self.deadlines.head;
                self.phase.set(Phase::Head(until));
                true
            }
            Phase::Head(until) => Instant::now() < until,
            Phase::Responding => true,
            Phase::Streaming(before) => {
                self.phase.set(Phase::Streaming(before + count));
                before + count <= MAX_WHILE_STREAMING
            }
        }
    }

    /// Waits until the number of unwritten responses is below the maximum.
    async fn wait_for_flush(&self) {
        poll_fn(|cx| {
            let is_held = self.unwritten.get() >= MAX_UNWRITTEN;
            if self.is_held.replace(is_held) && !is_held {
                // Resumes reading.
                cx.waker().wake_by_ref();
            }
            if is_held { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.unwritten.update(|unwritten| unwritten + 1);
    }

    fn until(&self) -> Option<Instant> {
        match self.phase.get() {
            Phase::Idle(until) | Phase::Head(until) => Some(until),
            Phase::Responding | Phase::Streaming(_) => None,
        }
    }
}

/// A request is being answered, until this is dropped.
#[derive(Debug)]
pub(crate) struct RequestGuard(Option<Rc<ConnectionState>>);

impl RequestGuard {
    /// Call this when the head of a request is complete. Waits while too many responses are unwritten.
    pub(crate) async fn begin(request: &HttpRequest) -> Self {
        let state = request.conn_data::<Rc<ConnectionState>>().cloned();
        if let Some(state) = &state {
            state.phase.set(Phase::Responding);
            state.wait_for_flush().await;
        }
        Self(state)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.phase.set(Phase::Idle(Instant::now() + state.deadlines.idle));
        }
    }
}

/// The body of a response. The request counts as answered when the body is dropped.
pub(crate) struct TrackedBody {
    size: BodySize,
    content: Content,
    _permit: BytePermit,
    _guard: RequestGuard,
}

/// What a body consists of.
enum Content {
    /// All that is left, in memory.
    Ready(Bytes),
    /// What comes bit by bit.
    Written(BoxBody),
}

/// Maximum number of bytes that actix gets at a time: it copies them into the connection's buffer.
const PIECE: usize = 16 * 1024;

impl TrackedBody {
    /// Follows a body until its last byte is written.
    ///
    /// # Errors
    /// [`TooMany`] if too many bytes wait for their readers already.
    pub(crate) fn new(body: BoxBody, guard: RequestGuard, access_control: &AccessControl) -> Result<Self, TooMany> {
        let size = body.size();
        if let (BodySize::Stream, Some(state)) = (size, &guard.0) {
            state.phase.set(Phase::Streaming(0));
        }
        let content = match body.try_into_bytes() {
            Ok(bytes) => Content::Ready(bytes),
            Err(body) => Content::Written(body),
        };
        let waiting = match &content {
            Content::Ready(bytes) => bytes.len(),
            Content::Written(_) => 0,
        };
        Ok(Self {
            size,
            content,
            _permit: access_control.hold_response(waiting)?,
            _guard: guard,
        })
    }
}

impl MessageBody for TrackedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.content {
            Content::Ready(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Ready(bytes) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(PIECE))))),
            Content::Written(body) => Pin::new(body).poll_next(cx),
        }
    }
}

/// The deadline that a client missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timeout {
    Idle,
    Head,
    Write,
}

/// How fast the client takes what is written, measured only while it is waited for.
#[derive(Debug, Default)]
struct ClientReading {
    /// Since when nothing more can be written.
    waiting_since: Option<Instant>,
    /// How long it was waited for before, in this measurement.
    waited: Duration,
    /// Bytes written in this measurement.
    written: usize,
}

impl ClientReading {
    /// Something was written.
    fn took(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Nothing more can be written.
    fn wait(&mut self) {
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// When the measurement ends.
    fn until(&self, deadline: Duration) -> Option<Instant> {
        let since = self.waiting_since?;
        Some(since + deadline.saturating_sub(self.waited))
    }

    /// Whether a measurement of `deadline` has ended with too few bytes. One with enough starts the next.
    fn is_too_slow(&mut self, now: Instant, deadline: Duration) -> bool {
        if self.until(deadline).is_none_or(|until| now < until) {
            return false;
        }
        let least = deadline.as_millis() * u128::from(Deadlines::MIN_RATE) / 1_000;
        if (self.written as u128) < least {
            return true;
        }
        *self = Self {
            waiting_since: Some(now),
            ..Self::default()
        };
        false
    }
}

/// A client's connection, with deadlines.
#[derive(Debug)]
pub(crate) struct Connection {
    io: TcpStream,
    state: Rc<ConnectionState>,
    /// Wakes the task at a deadline. Resetting a timer costs more than reading a clock, so it is reset only for an earlier
    /// deadline, and again when it fires too early.
    timer: Pin<Box<Sleep>>,
    reading: ClientReading,
    /// Bytes read since the last `Poll::Pending`.
    unprocessed: usize,
    _permit: ConnectionPermit,
}

impl Connection {
    pub(crate) fn new(io: TcpStream, deadlines: Deadlines, permit: ConnectionPermit) -> Self {
        Self {
            io,
            state: Rc::new(ConnectionState::new(deadlines)),
            timer: Box::pin(sleep_until(Instant::now())),
            reading: ClientReading::default(),
            unprocessed: 0,
            _permit: permit,
        }
    }

    /// The state, for the handlers of this connection's requests.
    pub(crate) fn state(&self) -> Rc<ConnectionState> {
        self.state.clone()
    }

    /// The deadline that the client has missed. If none, the task is woken at the next one.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<Timeout> {
        let write = self.state.deadlines.write;
        let now = Instant::now();
        if self.reading.is_too_slow(now, write) {
            // What the system holds for the client goes too. It ends even if this fails.
            let _ = self.io.set_zero_linger();
            return Some(Timeout::Write);
        }
        let until = [self.state.until(), self.reading.until(write)]
            .into_iter()
            .flatten()
            .min()?;
        if now >= until {
            return Some(match self.state.phase.get() {
                Phase::Head(_) => Timeout::Head,
                Phase::Idle(_) | Phase::Responding | Phase::Streaming(_) => Timeout::Idle,
            });
        }
        if self.timer.is_elapsed() || self.timer.deadline() > until {
            self.timer.as_mut().reset(until);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        None
    }

    /// The result of a read without new bytes.
    fn nothing_read(&mut self, overdue: Option<Timeout>) -> Poll<io::Result<()>> {
        match overdue {
            None => Poll::Pending,
            Some(Timeout::Write) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Some(overdue) => {
                if overdue == Timeout::Head {
                    // The connection ends even if this fails.
                    let _ = self.io.try_write(TOO_SLOW);
                }
                // As if the client had closed it.
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = if this.state.is_held.get() {
            // A flush wakes this task.
            Poll::Pending
        } else if this.unprocessed >= MAX_READ {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            let room = buffer.remaining().min(MAX_READ - this.unprocessed);
            let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(room));
            let read = Pin::new(&mut this.io).poll_read(cx, &mut piece);
            let came = piece.filled().len();
            buffer.advance(came);
            read
        };
        match read {
            Poll::Pending => {
                this.unprocessed = 0;
                let overdue = this.overdue(cx);
                this.nothing_read(overdue)
            }
            Poll::Ready(Ok(()))
                if buffer.filled().len() > before && !this.state.received(buffer.filled().len() - before) =>
            {
                buffer.set_filled(before);
                match this.state.phase.get() {
                    // As if the client had closed it would leave the response open.
                    Phase::Streaming(_) => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                    Phase::Idle(_) | Phase::Head(_) | Phase::Responding => this.nothing_read(Some(Timeout::Head)),
                }
            }
            Poll::Ready(Ok(())) => {
                this.unprocessed += buffer.filled().len() - before;
                Poll::Ready(Ok(()))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        match written {
            Poll::Ready(Ok(count)) => {
                this.reading.took(count);
                return written;
            }
            Poll::Ready(Err(_)) => return written,
            Poll::Pending => this.reading.wait(),
        }
        match this.overdue(cx) {
            Some(Timeout::Write) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            _ => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Everything has been written.
        this.state.unwritten.set(0);
        if this.state.is_held.get() {
            cx.waker().wake_by_ref();
        }
        // A finished response starts the idle time, in which nothing may be read.
        if this.overdue(cx).is_some() {
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
