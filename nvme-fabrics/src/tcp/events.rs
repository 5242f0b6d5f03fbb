//! What a controller tells by itself.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use nvme_proto::event::AsyncEvent;

use super::core::Handle;

/// Events that wait at most. A controller tells each kind once until its log page is read, so that more only come when nobody takes them.
const ROOM: usize = 256;

/// An event of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControllerEvent {
    /// What happened, and which log page tells more. Reading that page makes room for the next event of the kind.
    pub event: AsyncEvent,
    /// Parameter of the event: dword 1 of the completion.
    pub parameter: u32,
    /// Events before this one that were dropped because nobody took them.
    pub missed: u64,
}

/// Events between the controller's task and whoever takes them.
#[derive(Debug, Default)]
pub(crate) struct EventBox {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    events: VecDeque<ControllerEvent>,
    missed: u64,
    waiting: Option<Waker>,
    /// No more will come.
    closed: bool,
}

impl EventBox {
    /// Keeps an event; the oldest one goes if there is no room.
    pub(crate) fn push(&self, event: AsyncEvent, parameter: u32) {
        let waiting = {
            let mut shared = self.lock();
            if shared.events.len() >= ROOM {
                let dropped = shared.events.pop_front().map_or(0, |event| event.missed);
                let missed = dropped.saturating_add(1);
                match shared.events.front_mut() {
                    Some(next) => next.missed = next.missed.saturating_add(missed),
                    None => shared.missed = shared.missed.saturating_add(missed),
                }
            }
            let missed = std::mem::take(&mut shared.missed);
            shared.events.push_back(ControllerEvent { event, parameter, missed });
            shared.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// No more will come.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut shared = self.lock();
            shared.closed = true;
            shared.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<ControllerEvent>> {
        let mut shared = self.lock();
        match shared.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if shared.closed => Poll::Ready(None),
            None => {
                shared.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of a controller, by [`next`](Self::next) or as a stream. They go to one taker: when there are several, each event goes to one of them,
/// and only the last one that waited is woken.
#[derive(Debug)]
pub struct Events {
    handle: Arc<Handle>,
}

impl Events {
    pub(super) const fn new(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// The next event; `None` when the controller is gone. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<ControllerEvent> {
        poll_fn(|cx| self.handle.core.events.poll(cx)).await
    }
}

impl Stream for Events {
    type Item = ControllerEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ControllerEvent>> {
        self.handle.core.events.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::event::EventCode;

    #[test]
    fn events_beyond_the_room_are_counted_and_the_newest_stay() {
        let events = EventBox::default();
        let cx = &Context::from_waker(Waker::noop());
        let event = AsyncEvent::new(EventCode::NAMESPACE_CHANGED);
        for number in 0..300 {
            events.push(event, number);
        }
        let Poll::Ready(Some(first)) = events.poll(cx) else { panic!("no event") };
        assert_eq!((first.parameter, first.missed), (44, 44));
        for number in 45..300 {
            let want = ControllerEvent { event, parameter: number, missed: 0 };
            assert_eq!(events.poll(cx), Poll::Ready(Some(want)));
        }
        assert_eq!(events.poll(cx), Poll::Pending);
        events.close();
        assert_eq!(events.poll(cx), Poll::Ready(None));
    }
}
