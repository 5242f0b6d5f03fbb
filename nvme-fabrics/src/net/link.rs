//! One connection: a state machine on a stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nvme_proto::machine::{Close, Time};
use tokio::io::ReadBuf;

use super::{BusyPoll, Clock, Machine, Stream, Timer};

/// Pieces that are written by one call: tried first, since most calls need no more, and at most. The machines encode 64 PDUs or more ahead, each a
/// head and data.
const PIECES: (usize, usize) = (4, 256);
/// Bytes read where a header comes next, when long data follow: the rest of them goes straight to its place.
const HEADER_READ: usize = 4096;
/// Rounds of sending and receiving in one turn; then others have their turn.
const ROUNDS: usize = 16;
/// How long a stream may take to be shut down in order.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How the machine wanted it to end.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests look at it"))]
    pub(crate) how: Close,
    /// What the stream said, if it failed.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) error: Option<io::Error>,
}

/// What a look at the stream brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    Nothing,
    /// Something, or the end; there may be more.
    More,
    /// Something, and it was all there was just now.
    All,
}

/// Who drives a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    Borrowed,
}

/// A state machine and its stream, driven by one task.
#[derive(Debug)]
pub(crate) struct Link<M, S> {
    machine: M,
    stream: S,
    clock: Clock,
    timer: Timer,
    busy: BusyPoll,
    /// The last time anything was sent or received.
    active: Time,
    /// The stream may hold back something that was written.
    held_back: bool,
    /// The stream took no more the last time.
    blocked: bool,
    /// Long data are expected.
    bulk: bool,
    /// There is something to send that does not depend on what has come.
    eager: bool,
    /// Nothing has come since the last turn.
    quiet: bool,
    /// The peer has sent all it will.
    ended: bool,
    /// What failed first.
    error: Option<io::Error>,
    /// The machine is done; the stream is being shut down until this time.
    closing: Option<(Close, Time)>,
}

impl<M, S> Link<M, S> {
    /// Whether it is looked at all the time.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) const fn busy_poll(&self) -> BusyPoll {
        self.busy
    }

    /// Whether it is looked at all the time from now on.
    pub(crate) const fn set_busy_poll(&mut self, busy: BusyPoll) {
        self.busy = busy;
    }

    /// Whether `work` has something for the machine that does not depend on what has come: then one that is looked at all the time sends that before it looks,
    /// since a look that finds nothing costs a system call.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) const fn send_first(&mut self, eager: bool) {
        self.eager = eager;
    }

    /// Whether the waker that the last turn was given has not been woken since, and that of the next is the same: then nothing has come, and the stream is looked at
    /// only if something was sent before and there is more to send.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) const fn expect_nothing(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Whether it is looked at again without being woken.
    fn is_polling(&self, now: Time) -> bool {
        match self.busy {
            BusyPoll::Off => false,
            BusyPoll::For(time) => now.since(self.active) < time,
            BusyPoll::Always => true,
        }
    }
}

impl<M: Machine, S: Stream> Link<M, S> {
    /// A machine that was just made, on a stream that was just connected.
    pub(crate) fn new(machine: M, stream: S, clock: Clock, busy: BusyPoll) -> Self {
        let active = clock.now();
        Self {
            machine,
            stream,
            clock,
            timer: Timer::new(),
            busy,
            active,
            held_back: false,
            blocked: false,
            bulk: false,
            eager: false,
            quiet: false,
            ended: false,
            error: None,
            closing: None,
        }
    }

    /// The machine.
    pub(crate) const fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Whether most data that come are long (32 KiB and more): then little more than headers is read ahead, and the data go straight to their place.
    /// It takes a call of the stream more for each, and spares a copy.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) const fn expect_bulk(&mut self, bulk: bool) {
        self.bulk = bulk;
    }

    /// The clock that the machine is driven by.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Drives the connection until nothing moves: everything that is ready is sent by one call, and all that is there is received, straight to
    /// where it belongs.
    ///
    /// `work` is called whenever something may have been received, and after something was sent. It gives the machine what it has for it (commands, answers)
    /// and takes events until there are none; when one of them is `Close` it returns how. It must not call
    /// `received` or `transmitted` itself.
    ///
    /// A turn is bounded: a peer that sends without a pause lets other tasks run in between. Ready when the connection has ended and is shut
    /// down; it must not be polled again then.
    pub(crate) fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut M, Time, &mut Context<'_>) -> Option<Close>,
    ) -> Poll<Ended> {
        if self.closing.is_some() {
            return self.poll_shutdown(cx);
        }
        match self.turn(cx, Whose::Own, &mut work) {
            Some(_) => self.poll_shutdown(cx),
            None => Poll::Pending,
        }
    }

    /// The same by somebody who does not own the connection and may be outside of a runtime: it arms no timer and shuts nothing down, but wakes by
    /// `cx`, which has to be the owner's as well, when there is something like that to do.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the host's alone"))]
    pub(crate) fn borrowed_turn(
        &mut self,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut M, Time, &mut Context<'_>) -> Option<Close>,
    ) {
        if self.closing.is_none() && self.turn(cx, Whose::Borrowed, &mut work).is_some() {
            cx.waker().wake_by_ref();
        }
    }

    /// One turn; how the connection is to end, if it is.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        whose: Whose,
        work: &mut impl FnMut(&mut M, Time, &mut Context<'_>) -> Option<Close>,
    ) -> Option<Close> {
        let now = self.clock.now();
        let polling = self.is_polling(now);
        let mut eager = std::mem::take(&mut self.eager) && polling;
        eager |= std::mem::take(&mut self.quiet);
        // `work` may have something to do although nothing came.
        let mut due = true;
        for _ in 0..ROUNDS {
            // What has come first: it may be what those wait for who then have more to send.
            let received =
                if std::mem::take(&mut eager) { Received::Nothing } else { self.receive(cx, polling) };
            if (due || received != Received::Nothing)
                && let Some(how) = work(&mut self.machine, now, cx)
            {
                return self.close(how, now);
            }
            due = self.send(cx);
            if due || received != Received::Nothing {
                self.active = now;
            }
            if received == Received::More {
                continue;
            }
            // What was sent may have been all that a command waited for.
            if due {
                if let Some(how) = work(&mut self.machine, now, cx) {
                    return self.close(how, now);
                }
                due = false;
                if self.machine.wants_transmit() && !self.blocked {
                    continue;
                }
            }
            let deadline = self.machine.poll_timeout();
            if whose == Whose::Borrowed {
                if !self.timer.covers(now, deadline, cx.waker()) {
                    cx.waker().wake_by_ref();
                }
                return None;
            }
            if self.timer.poll(cx, self.clock, now, deadline).is_ready() {
                // Time has passed since the turn began.
                cx.waker().wake_by_ref();
                if let Some(how) = work(&mut self.machine, self.clock.now(), cx) {
                    return self.close(how, now);
                }
                return None;
            }
            // Nothing moved: it is looked at again at once if that is wanted.
            if polling {
                cx.waker().wake_by_ref();
            }
            return None;
        }
        cx.waker().wake_by_ref();
        None
    }

    /// Sends what is ready; says whether anything went, or the stream failed.
    fn send(&mut self, cx: &mut Context<'_>) -> bool {
        let mut sent = false;
        self.blocked = false;
        while self.error.is_none() && self.machine.wants_transmit() {
            match self.write(cx) {
                Poll::Pending => {
                    self.blocked = true;
                    break;
                }
                Poll::Ready(Ok(None)) => break, // wanted, but not possible before something comes
                Poll::Ready(Ok(Some(0))) => self.fail(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(Some(n))) => self.machine.transmitted(n),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => self.fail(error),
            }
            sent = true; // the machine has to hear of a failure as well
        }
        self.held_back |= sent;
        if self.held_back && self.error.is_none() {
            // Streams that hold back what is written (TLS) have to let go of it; a socket does nothing here.
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Err(error)) => self.fail(error),
                Poll::Ready(Ok(())) => self.held_back = false,
                Poll::Pending => {}
            }
        }
        sent
    }

    /// One call of the stream with everything that is ready; `None`: that is nothing.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        let Self { machine, stream, .. } = self;
        let stream = Pin::new(stream);
        {
            let mut pieces = [IoSlice::new(&[]); PIECES.0];
            let used = machine.transmit(&mut pieces);
            match pieces.get(..used).unwrap_or_default() {
                [] => return Poll::Ready(Ok(None)),
                [piece] if piece.is_empty() => return Poll::Ready(Ok(None)),
                // Without a list, which the system would have to read first.
                [piece] => return stream.poll_write(cx, piece).map_ok(Some),
                pieces if used < PIECES.0 => return stream.poll_write_vectored(cx, pieces).map_ok(Some),
                _ => {}
            }
        }
        let mut pieces = [IoSlice::new(&[]); PIECES.1];
        let used = machine.transmit(&mut pieces);
        stream.poll_write_vectored(cx, pieces.get(..used).unwrap_or_default()).map_ok(Some)
    }

    /// Receives what is there, as much as one call gives.
    fn receive(&mut self, cx: &mut Context<'_>, polling: bool) -> Received {
        while !self.ended {
            let space = self.machine.space();
            let to = match (space.payload, space.buffer) {
                ([], buffer) if self.bulk => {
                    let most = buffer.len().min(HEADER_READ);
                    buffer.get_mut(..most).unwrap_or_default()
                }
                ([], buffer) => buffer,
                (payload, _) => payload,
            };
            // Room is there always, until the machine has failed and takes no more.
            if to.is_empty() {
                return self.discard(cx);
            }
            let room = to.len();
            let read = match if polling { self.stream.read_now(to) } else { None } {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return Received::Nothing,
                Some(read) => Poll::Ready(read),
                None => {
                    let mut to = ReadBuf::new(to);
                    let read = Pin::new(&mut self.stream).poll_read(cx, &mut to);
                    read.map_ok(|()| to.filled().len())
                }
            };
            match read {
                Poll::Pending => return Received::Nothing,
                Poll::Ready(Ok(0)) => {
                    self.ended = true;
                    self.machine.end_of_stream();
                }
                Poll::Ready(Ok(n)) => {
                    self.machine.received(n);
                    // Who looks all the time looks again anyway.
                    if polling && n < room {
                        return Received::All;
                    }
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Poll::Ready(Err(error)) => self.fail(error),
            }
            return Received::More;
        }
        Received::Nothing
    }

    /// Receives what nobody looks at any more, until the end.
    fn discard(&mut self, cx: &mut Context<'_>) -> Received {
        let mut nowhere = [0; 4096];
        let mut to = ReadBuf::new(&mut nowhere);
        match Pin::new(&mut self.stream).poll_read(cx, &mut to) {
            Poll::Pending => return Received::Nothing,
            Poll::Ready(Ok(())) if to.filled().is_empty() => {
                self.ended = true;
                self.machine.end_of_stream();
            }
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.fail(error),
        }
        Received::More
    }

    /// The stream has failed: nothing more is sent or received.
    fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
        self.ended = true;
        self.machine.end_of_stream();
    }

    /// The machine is done.
    fn close(&mut self, how: Close, now: Time) -> Option<Close> {
        self.closing = Some((how, now.after(SHUTDOWN)));
        Some(how)
    }

    /// Shuts the stream down, in a bounded time.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let (how, until) = self.closing.unwrap_or((Close::Reset, Time::START));
        match how {
            Close::Reset => self.stream.reset(),
            Close::Orderly if self.error.is_some() => {}
            Close::Orderly => {
                let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
                if shut.is_pending()
                    && self.timer.poll(cx, self.clock, self.clock.now(), Some(until)).is_pending()
                {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ended { how, error: self.error.take() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    use nvme_proto::controller::{Admission, CommandData, Config as Offer, Controller, Event as Ask, Reply};
    use nvme_proto::host::{Command, Config, Event, Host};
    use nvme_proto::machine::Failure;
    use nvme_proto::sqe::Sqe;

    use crate::net::Plain;

    const READ: u8 = 0x02;
    const WRITE: u8 = 0x01;

    type Target = Controller<Vec<u8>, Vec<u8>>;
    type Initiator = Host<Vec<u8>, Vec<u8>>;

    fn target() -> Target {
        let mut offer = Offer::new();
        offer.admission = Admission::Any;
        Controller::new(offer, Time::START).unwrap()
    }

    fn host(depth: u16) -> Initiator {
        let mut config = Config::io(8192);
        config.depth = depth;
        Host::new(config, Time::START).unwrap()
    }

    /// Answers reads with their block's number in each byte, and writes when their data have come.
    fn answer(target: &mut Target, now: Time) -> Option<Close> {
        while let Some(event) = target.poll(now) {
            match event {
                Ask::Command(command) => {
                    let (tag, sqe) = (command.tag, *command.sqe);
                    match (sqe.opcode, command.data) {
                        (READ, CommandData::Transfer { len }) => {
                            let data = vec![sqe.cdw10 as u8; len as usize];
                            target.respond_with_data(tag, data, Reply::success()).unwrap();
                        }
                        (_, CommandData::Transfer { len }) => {
                            target.fetch(tag, vec![0; len as usize]).unwrap();
                        }
                        _ => target.respond(tag, Reply::success()).unwrap(),
                    }
                }
                Ask::Fetched { tag, .. } => target.respond(tag, Reply::success()).unwrap(),
                Ask::Close(how) => return Some(how),
                _ => {}
            }
        }
        None
    }

    async fn serve(stream: impl Stream) -> Ended {
        let mut link = Link::new(target(), stream, Clock::new(), BusyPoll::Off);
        poll_fn(|cx| link.poll_turn(cx, |target, now, _| answer(target, now))).await
    }

    /// Reads and writes `commands` times `len` bytes, as many at a time as there is room, then closes.
    async fn exchange(stream: impl Stream, depth: u16, commands: usize, len: usize) -> Ended {
        let mut link = Link::new(host(depth), stream, Clock::new(), BusyPoll::Off);
        let (mut begun, mut done) = (0, 0);
        let ended = poll_fn(|cx| {
            link.poll_turn(cx, |host, now, _| {
                loop {
                    while begun < commands && host.outstanding() < usize::from(depth) {
                        let mut sqe = Sqe::new(if begun % 2 == 0 { READ } else { WRITE });
                        sqe.cdw10 = begun as u32;
                        let command = Command::new(sqe);
                        let data = vec![0; len];
                        let command = if begun % 2 == 0 { command.read(data) } else { command.write(data) };
                        host.submit(now, command).unwrap();
                        begun += 1;
                    }
                    match host.poll(now)? {
                        Event::Completed(completion) => {
                            completion.result.unwrap();
                            if let Some(data) = completion.data.into_read() {
                                assert!(data.iter().all(|byte| *byte == data[0]), "one block's bytes");
                            }
                            done += 1;
                            if done == commands {
                                host.close(now);
                            }
                        }
                        Event::Failed(failure) => assert_eq!(failure, Failure::Closed),
                        Event::Close(how) => return Some(how),
                        _ => {}
                    }
                }
            })
        });
        let ended = ended.await;
        assert_eq!((begun, done), (commands, commands));
        ended
    }

    #[tokio::test]
    async fn commands_go_through_pipes_of_every_size() {
        for room in [1, 24, 100, 4096, 1 << 20] {
            let (left, right) = tokio::io::duplex(room);
            let len = (room * 40).clamp(600, 20_000);
            let (here, there) = tokio::join!(exchange(Plain(left), 7, 40, len), serve(Plain(right)));
            assert!(here.error.is_none() && there.error.is_none(), "{here:?} {there:?}");
            assert_eq!((here.how, there.how), (Close::Orderly, Close::Orderly));
        }
    }

    #[tokio::test]
    async fn commands_go_over_loopback() {
        use crate::net::Tcp;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let there = async { serve(Tcp::new(listener.accept().await.unwrap().0).unwrap()).await };
        let here = async { exchange(Tcp::connect(addr).await.unwrap(), 64, 1_000, 4096).await };
        let (here, there) = tokio::join!(here, there);
        assert!(here.error.is_none() && there.error.is_none(), "{here:?} {there:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_answers_is_left_in_time() {
        let (left, _right) = tokio::io::duplex(1 << 16);
        let started = tokio::time::Instant::now();
        let mut link = Link::new(host(1), Plain(left), Clock::new(), BusyPoll::Off);
        let mut failed = None;
        poll_fn(|cx| {
            link.poll_turn(cx, |host, now, _| {
                loop {
                    match host.poll(now)? {
                        Event::Failed(failure) => failed = Some(failure),
                        Event::Close(how) => return Some(how),
                        _ => {}
                    }
                }
            })
        })
        .await;
        assert!(matches!(failed, Some(Failure::HandshakeTimeout { .. })), "{failed:?}");
        assert_eq!(started.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn busy_polling_ends_when_the_connection_does() {
        for busy in [BusyPoll::Always, BusyPoll::For(Duration::from_millis(5))] {
            let (left, right) = tokio::io::duplex(4096);
            let mut link = Link::new(target(), Plain(right), Clock::new(), busy);
            let there = poll_fn(|cx| link.poll_turn(cx, |target, now, _| answer(target, now)));
            let (_, there) = tokio::join!(exchange(Plain(left), 2, 10, 4096), there);
            assert_eq!(there.how, Close::Orderly);
        }
    }
}
