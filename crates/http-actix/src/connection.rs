//! A connection that is closed when its client keeps it waiting for too long.
//!
//! actix times the head of a connection's first request only, and how long a connection idles that not a byte comes from.
//! The deadlines here hold for every request: for its head once it has begun, for the pause before it, for each write of
//! its answer. How long a body may take is for those who read bodies.
//!
//! Nor does a client that sends one request behind the other and takes no answer fill our memory: after a few answers the
//! next request waits until they are written, and no more is read meanwhile.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
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

use crate::{Deadlines, access::ConnectionPermit};

/// Told to whoever does not finish a head.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// So many answers are made before they must be written, so that requests that come at once are answered in one write.
const UNWRITTEN_AT_MOST: u8 = 16;

/// After so many bytes what they ask for is looked at before more is read: they may hold a hundred requests.
const READ_AT_ONCE: usize = 4 * 1024;

/// So many bytes may come while a stream of events goes to a client, which has nothing to say. actix would keep them, and try
/// again and again to make requests of them.
const BESIDE_A_STREAM: usize = 8 * 1024;

/// What a connection is waiting for its client to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// To begin a request, until then.
    Idle(Instant),
    /// To finish a request's head, until then.
    Head(Instant),
    /// Nothing but to take the answer.
    RequestGuard,
    /// To take what has no end; so many bytes came meanwhile.
    Streaming(usize),
}

/// Where a connection stands: what its bytes tell, and what those who answer its requests tell.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    phase: Cell<Phase>,
    /// Answers that were begun since all that there was had been written.
    unwritten: Cell<u8>,
    /// Whether a request waits for that.
    is_held: Cell<bool>,
    deadlines: Deadlines,
}

impl ConnectionState {
    fn new(deadlines: Deadlines) -> Self {
        Self {
            // Who connects has something to say.
            phase: Cell::new(Phase::Head(Instant::now() + deadlines.head)),
            unwritten: Cell::new(0),
            is_held: Cell::new(false),
            deadlines,
        }
    }

    /// So many bytes came. False if the connection ends with them: they are part of a head that should have been complete by
    /// now, or of what nobody waits for.
    fn on_change(&self, count: usize) -> bool {
        match self.phase.get() {
            Phase::Idle(_) => {
                let until = Instant::now() + self.deadlines.head;
                self.phase.set(Phase::Head(until));
                true
            }
            Phase::Head(until) => Instant::now() < until,
            Phase::RequestGuard => true,
            Phase::Streaming(before) => {
                self.phase.set(Phase::Streaming(before + count));
                before + count <= BESIDE_A_STREAM
            }
        }
    }

    /// Waits until a few answers at most are still to be written.
    async fn turn(&self) {
        poll_fn(|cx| {
            let is_held = self.unwritten.get() >= UNWRITTEN_AT_MOST;
            if self.is_held.replace(is_held) && !is_held {
                // What was not read meanwhile is read now.
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
            Phase::RequestGuard | Phase::Streaming(_) => None,
        }
    }
}

/// A request is being answered, for as long as this lives.
#[derive(Debug)]
pub(crate) struct RequestGuard(Option<Rc<ConnectionState>>);

impl RequestGuard {
    /// The head of a request is complete. It may have to wait until others are answered.
    pub(crate) async fn begin(request: &HttpRequest) -> Self {
        let watch = request.conn_data::<Rc<ConnectionState>>().cloned();
        if let Some(watch) = &watch {
            watch.phase.set(Phase::RequestGuard);
            watch.turn().await;
        }
        Self(watch)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.phase.set(Phase::Idle(Instant::now() + watch.deadlines.idle));
        }
    }
}

/// The body of an answer: when its end was taken from it, so was the answer.
pub(crate) struct TrackedBody {
    body: BoxBody,
    _answering: RequestGuard,
}

impl TrackedBody {
    pub(crate) fn new(body: BoxBody, answering: RequestGuard) -> Self {
        if let (BodySize::Stream, Some(watch)) = (body.size(), &answering.0) {
            watch.phase.set(Phase::Streaming(0));
        }
        Self {
            body,
            _answering: answering,
        }
    }
}

impl MessageBody for TrackedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// What a client has not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timeout {
    Idle,
    Head,
    Write,
}

/// A client's connection, with deadlines.
#[derive(Debug)]
pub(crate) struct Connection {
    io: TcpStream,
    watch: Rc<ConnectionState>,
    /// Wakes when something may be overdue. To set a timer costs more than to read a clock: it is set anew only for what
    /// is due before it rings, and where it rings too early it is set again.
    timer: Pin<Box<Sleep>>,
    /// Until when some of what is to be written must be taken, while none is.
    write_until: Option<Instant>,
    /// Bytes that were read since it was last said that there are no more for now.
    read_at_once: usize,
    _place: ConnectionPermit,
}

impl Connection {
    pub(crate) fn new(io: TcpStream, deadlines: Deadlines, place: ConnectionPermit) -> Self {
        Self {
            io,
            watch: Rc::new(ConnectionState::new(deadlines)),
            timer: Box::pin(sleep_until(Instant::now())),
            write_until: None,
            read_at_once: 0,
            _place: place,
        }
    }

    /// For those who answer the requests of this connection.
    pub(crate) fn watch(&self) -> Rc<ConnectionState> {
        self.watch.clone()
    }

    /// Whether the client is too late with something; if not, the task is woken when it may be.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<Timeout> {
        let read_until = self.watch.until();
        let until = [read_until, self.write_until].into_iter().flatten().min()?;
        if Instant::now() >= until {
            return Some(match self.watch.phase.get() {
                _ if self.write_until == Some(until) => Timeout::Write,
                Phase::Head(_) => Timeout::Head,
                Phase::Idle(_) | Phase::RequestGuard | Phase::Streaming(_) => Timeout::Idle,
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

    /// What a read answers when nothing came, or nothing that counts.
    fn nothing_read(&mut self, overdue: Option<Timeout>) -> Poll<io::Result<()>> {
        match overdue {
            None => Poll::Pending,
            Some(Timeout::Write) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Some(overdue) => {
                if overdue == Timeout::Head {
                    // Whether it is heard or not, the connection ends.
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
        let read = if this.watch.is_held.get() {
            // Who is held wakes us.
            Poll::Pending
        } else if this.read_at_once >= READ_AT_ONCE {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            let room = buffer.remaining().min(READ_AT_ONCE - this.read_at_once);
            let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(room));
            let read = Pin::new(&mut this.io).poll_read(cx, &mut piece);
            let came = piece.filled().len();
            buffer.advance(came);
            read
        };
        match read {
            Poll::Pending => {
                this.read_at_once = 0;
                let overdue = this.overdue(cx);
                this.nothing_read(overdue)
            }
            Poll::Ready(Ok(()))
                if buffer.filled().len() > before && !this.watch.on_change(buffer.filled().len() - before) =>
            {
                buffer.set_filled(before);
                match this.watch.phase.get() {
                    // A half-closed connection would go on.
                    Phase::Streaming(_) => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                    Phase::Idle(_) | Phase::Head(_) | Phase::RequestGuard => this.nothing_read(Some(Timeout::Head)),
                }
            }
            Poll::Ready(Ok(())) => {
                this.read_at_once += buffer.filled().len() - before;
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
        if written.is_ready() {
            this.write_until = None;
            return written;
        }
        if this.write_until.is_none() {
            this.write_until = Some(Instant::now() + this.watch.deadlines.write);
        }
        match this.overdue(cx) {
            Some(Timeout::Write) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            _ => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // All that there was is written.
        this.watch.unwritten.set(0);
        if this.watch.is_held.get() {
            cx.waker().wake_by_ref();
        }
        // The end of an answer begins a pause: nothing may be read before its end.
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
