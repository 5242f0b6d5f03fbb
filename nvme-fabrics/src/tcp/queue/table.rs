//! The commands of a queue and who waits for them.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use nvme_proto::cqe::Cqe;
use nvme_proto::host::Watch;
use nvme_proto::sqe::Sqe;

use super::request::{Effect, Fault, Finished, Payload, Request, ToSqe};

/// No entry.
const NONE: u32 = u32::MAX;

/// The commands of a queue: a table of entries that are used again, with the waiting ones in a list through the table. Adding, taking, finishing
/// and giving up take constant time, and memory only when more commands are there at once than ever before.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    waiting: List,
    groups: Vec<Group>,
    free_groups: Vec<u32>,
}

/// Commands of one task that are watched as one.
#[derive(Debug, Default)]
struct Group {
    /// Who is woken when one of them is over.
    waker: Option<Waker>,
    /// Those that are over and not fetched.
    done: List,
}

/// A command of a group that is over.
#[derive(Debug)]
pub(crate) struct Over {
    /// What its owner knows it by.
    pub(crate) token: u64,
    /// Its data, or why it failed.
    pub(crate) result: Result<Payload, Box<Failed>>,
}

/// What is known of a command of a group that has failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The command, with its data.
    pub(crate) request: Request,
    pub(crate) fault: Fault,
    pub(crate) timed_out: bool,
}

/// One command. What it was submitted with and what came of it is moved field by field: an enum with all of that in its variants was copied
/// as a whole with each step.
#[derive(Debug)]
struct Entry {
    stage: Stage,
    /// It has taken too long.
    timed_out: bool,
    effect: Effect,
    watch: Watch,
    /// Its identifier on the wire.
    wire: u16,
    before: u32,
    after: u32,
    /// Who waits for it, unless that is a group.
    waker: Option<Waker>,
    group: u32,
    /// What its group knows it by.
    token: u64,
    sqe: Sqe,
    /// Its data while it waits, and when it is over.
    data: Payload,
    /// What became of it, when it is over.
    result: Result<Cqe, Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Free,
    /// Not taken by the queue's task yet.
    Waiting,
    /// With the controller.
    Issued,
    /// The same, but nobody waits any more.
    Abandoned,
    /// Over.
    Done,
}

/// A list through the table, in the order in which its entries came.
#[derive(Debug)]
struct List {
    first: u32,
    last: u32,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }
}

impl Table {
    /// Commands that wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting.len
    }

    /// Adds a command behind those that wait. Its data are taken.
    #[inline]
    pub(crate) fn add<C: ToSqe>(&mut self, request: &mut Request<C>, waker: Waker) -> u32 {
        self.insert(request, Some(waker), NONE, 0)
    }

    /// The same for a command of a group, which knows it by `token`.
    #[inline]
    pub(crate) fn add_to<C: ToSqe>(&mut self, group: u32, token: u64, request: &mut Request<C>) {
        self.insert(request, None, group, token);
    }

    #[inline]
    fn insert<C: ToSqe>(
        &mut self,
        request: &mut Request<C>,
        waker: Option<Waker>,
        group: u32,
        token: u64,
    ) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| self.grow());
        let before = self.waiting.last;
        if let Some(entry) = self.entry(index) {
            (entry.stage, entry.timed_out) = (Stage::Waiting, false);
            (entry.effect, entry.watch) = (request.effect, request.watch);
            (entry.wire, entry.before, entry.after) = (0, before, NONE);
            (entry.waker, entry.group, entry.token) = (waker, group, token);
            entry.sqe = request.command.to_sqe();
            entry.data = std::mem::take(&mut request.data);
        }
        match self.entry(before) {
            Some(entry) => entry.after = index,
            None => self.waiting.first = index,
        }
        self.waiting.last = index;
        self.waiting.len = self.waiting.len.saturating_add(1);
        index
    }

    /// A new entry.
    #[cold]
    fn grow(&mut self) -> u32 {
        // As many as there are futures; those do not fit into memory long before.
        let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
        self.entries.push(Entry {
            stage: Stage::Free,
            timed_out: false,
            effect: Effect::Nothing,
            watch: Watch::TimeOut,
            wire: 0,
            before: NONE,
            after: NONE,
            waker: None,
            group: NONE,
            token: 0,
            sqe: Sqe::new(0),
            data: Payload::None,
            result: Err(Fault::Vanished),
        });
        index
    }

    /// Takes the command that has waited longest, to be submitted.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<(u32, Request)> {
        let index = self.waiting.first;
        self.entry(index)?;
        self.unlink(index);
        let entry = self.entry(index)?;
        entry.stage = Stage::Issued;
        let (watch, effect) = (entry.watch, entry.effect);
        Some((index, Request { command: entry.sqe, data: std::mem::take(&mut entry.data), watch, effect }))
    }

    /// The command taken last has this identifier on the wire.
    #[inline]
    pub(crate) fn issued(&mut self, index: u32, id: u16) {
        if let Some(entry) = self.entry(index)
            && entry.is_issued()
        {
            entry.wire = id;
        }
    }

    /// A command is over; returns who waits for it.
    #[inline]
    pub(crate) fn finish(&mut self, index: u32, result: Result<Cqe, Fault>, data: Payload) -> Option<Waker> {
        let entry = self.entry(index)?;
        match entry.stage {
            Stage::Issued => {
                entry.stage = Stage::Done;
                (entry.result, entry.data) = (result, data);
                match entry.group {
                    NONE => entry.waker.take(),
                    group => self.done(group, index),
                }
            }
            Stage::Abandoned => {
                entry.stage = Stage::Free;
                self.free.push(index);
                None
            }
            Stage::Free | Stage::Waiting | Stage::Done => None,
        }
    }

    /// A command of a group is over; returns who waits for the group.
    #[inline]
    fn done(&mut self, group: u32, index: u32) -> Option<Waker> {
        let group = self.groups.get_mut(usize::try_from(group).ok()?)?;
        let last = std::mem::replace(&mut group.done.last, index);
        let waker = group.waker.take();
        if last == NONE {
            group.done.first = index;
        } else if let Some(entry) = self.entry(last) {
            entry.after = index;
        }
        waker
    }

    /// What became of a command; else the task is woken when it is known.
    #[inline]
    pub(crate) fn poll(&mut self, index: u32, cx: &Context<'_>) -> Poll<Finished> {
        let Some(entry) = self.entry(index) else { return Poll::Pending };
        match entry.stage {
            Stage::Done => {
                entry.stage = Stage::Free;
                let data = std::mem::take(&mut entry.data);
                let finished = Finished { result: entry.result, data, timed_out: entry.timed_out };
                self.free.push(index);
                Poll::Ready(finished)
            }
            Stage::Waiting | Stage::Issued => {
                if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    entry.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Stage::Free | Stage::Abandoned => Poll::Pending,
        }
    }

    /// Nobody waits for the command any more. One that still waits is forgotten, one that is with the controller stays until it is answered; what is
    /// returned is to be dropped.
    pub(crate) fn abandon(&mut self, index: u32) -> Option<impl Sized + use<>> {
        let entry = self.entry(index)?;
        let before = entry.stage;
        entry.stage = match before {
            Stage::Free | Stage::Abandoned => return None,
            Stage::Issued => Stage::Abandoned,
            Stage::Waiting | Stage::Done => Stage::Free,
        };
        let gone = (entry.waker.take(), std::mem::take(&mut entry.data));
        if before == Stage::Waiting {
            self.unlink(index);
        }
        if before != Stage::Issued {
            self.free.push(index);
        }
        Some(gone)
    }

    /// A command has taken too long: remembers that, if it still has this identifier and is not over.
    pub(crate) fn time_out(&mut self, index: u32, id: u16) {
        if let Some(entry) = self.entry(index)
            && entry.stage == Stage::Issued
            && entry.wire == id
        {
            entry.timed_out = true;
        }
    }

    /// Whether the command with this identifier is still with the controller.
    pub(crate) fn is_issued(&self, index: u32, id: u16) -> bool {
        let entry = usize::try_from(index).ok().and_then(|index| self.entries.get(index));
        entry.is_some_and(|entry| entry.is_issued() && entry.wire == id)
    }

    /// The connection is gone: everything that waits is over with `waiting`, and what is still with the controller with `issued`. Returns who waits.
    pub(crate) fn clear(&mut self, waiting: Fault, issued: Fault) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while let Some((index, request)) = self.take() {
            wakers.extend(self.finish(index, Err(waiting), request.data));
        }
        for index in 0..self.entries.len() {
            let index = u32::try_from(index).unwrap_or(NONE);
            wakers.extend(self.finish(index, Err(issued), Payload::None));
        }
        wakers
    }

    /// A new group without commands.
    pub(crate) fn open_group(&mut self) -> u32 {
        self.free_groups.pop().unwrap_or_else(|| {
            self.groups.push(Group::default());
            u32::try_from(self.groups.len().saturating_sub(1)).unwrap_or(NONE)
        })
    }

    /// Nobody waits for the commands of a group any more, nor adds one; what is returned is to be dropped.
    pub(crate) fn close_group(&mut self, group: u32) -> Vec<impl Sized + use<>> {
        let mut gone = Vec::new();
        for index in 0..self.entries.len() {
            let index = u32::try_from(index).unwrap_or(NONE);
            if self.entry(index).is_some_and(|entry| entry.group == group) {
                gone.extend(self.abandon(index));
                if let Some(entry) = self.entry(index) {
                    entry.group = NONE; // whoever has this number next
                }
            }
        }
        if let Some(closed) = usize::try_from(group).ok().and_then(|group| self.groups.get_mut(group)) {
            *closed = Group::default();
            self.free_groups.push(group);
        }
        gone
    }

    /// Moves the commands of a group that are over to `over`.
    #[inline]
    pub(crate) fn take_over(&mut self, group: u32, over: &mut VecDeque<Over>) {
        let Some(group) = usize::try_from(group).ok().and_then(|group| self.groups.get_mut(group)) else {
            return;
        };
        let mut index = std::mem::take(&mut group.done).first;
        while let Some(entry) = self.entry(index) {
            entry.stage = Stage::Free;
            let data = std::mem::take(&mut entry.data);
            let result = match entry.result {
                Ok(_) => Ok(data),
                Err(fault) => Err(Box::new(Failed {
                    request: Request { command: entry.sqe, data, watch: entry.watch, effect: entry.effect },
                    fault,
                    timed_out: entry.timed_out,
                })),
            };
            over.push_back(Over { token: entry.token, result });
            let next = std::mem::replace(&mut entry.after, NONE);
            self.free.push(index);
            index = next;
        }
    }

    /// Who is woken when a command of the group is over.
    pub(crate) fn watch(&mut self, group: u32, waker: &Waker) {
        if let Some(group) = usize::try_from(group).ok().and_then(|group| self.groups.get_mut(group)) {
            match &mut group.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    /// Takes the waker of who waits for a group: it is woken before, or it looks by itself.
    pub(crate) fn take_watch(&mut self, group: u32) -> Option<Waker> {
        self.groups.get_mut(usize::try_from(group).ok()?)?.waker.take()
    }

    #[inline]
    fn entry(&mut self, index: u32) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    /// Takes an entry out of the list of those that wait.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let Some(entry) = self.entry(index) else { return };
        let (before, after) = (entry.before, entry.after);
        (entry.before, entry.after) = (NONE, NONE);
        match self.entry(before) {
            Some(entry) => entry.after = after,
            None => self.waiting.first = after,
        }
        match self.entry(after) {
            Some(entry) => entry.before = before,
            None => self.waiting.last = before,
        }
        self.waiting.len = self.waiting.len.saturating_sub(1);
    }
}

impl Entry {
    /// Whether the controller has it.
    #[inline]
    const fn is_issued(&self) -> bool {
        matches!(self.stage, Stage::Issued | Stage::Abandoned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u32) -> Request {
        let mut sqe = Sqe::new(2);
        sqe.cdw10 = number;
        Request { command: sqe, data: Payload::None, watch: Watch::TimeOut, effect: Effect::Nothing }
    }

    fn add(table: &mut Table, number: u32) -> u32 {
        table.add(&mut request(number), Waker::noop().clone())
    }

    fn finish(table: &mut Table, index: u32) -> Option<Waker> {
        table.finish(index, Ok(Cqe::success(0)), Payload::None)
    }

    /// Entries that are taken.
    fn len(table: &Table) -> usize {
        table.entries.len() - table.free.len()
    }

    #[test]
    fn commands_are_taken_in_the_order_in_which_they_came_whoever_leaves() {
        let mut table = Table::default();
        let all: Vec<u32> = (0..8).map(|number| add(&mut table, number)).collect();
        for leaves in [0, 3, 7] {
            assert!(table.abandon(all[leaves]).is_some());
        }
        assert_eq!(table.waiting(), 5);
        let taken: Vec<u32> =
            std::iter::from_fn(|| table.take()).map(|(_, request)| request.command.cdw10).collect();
        assert_eq!(taken, [1, 2, 4, 5, 6]);
        assert_eq!(table.waiting(), 0);
    }

    #[test]
    fn an_entry_is_used_again_only_when_its_command_is_over() {
        let mut table = Table::default();
        let cx = &Context::from_waker(Waker::noop());
        let first = add(&mut table, 0);
        assert_eq!(table.take().map(|(index, _)| index), Some(first));
        table.issued(first, 77);
        assert!(table.abandon(first).is_some());
        // The controller still has it.
        let second = add(&mut table, 1);
        assert_ne!(first, second);
        assert!(table.is_issued(first, 77) && !table.is_issued(first, 78));
        assert!(finish(&mut table, first).is_none(), "nobody waits");
        assert_eq!(add(&mut table, 2), first);
        // Over, but not fetched: it stays.
        assert_eq!(table.take().map(|(index, _)| index), Some(second));
        assert!(finish(&mut table, second).is_some());
        assert_ne!(add(&mut table, 3), second);
        assert!(table.poll(second, cx).is_ready());
        assert!(table.poll(second, cx).is_pending());
        assert_eq!(add(&mut table, 4), second);
    }

    #[test]
    fn a_lost_connection_ends_everything_once() {
        let mut table = Table::default();
        let cx = &Context::from_waker(Waker::noop());
        let [issued, waiting, over] = [0, 1, 2].map(|number| add(&mut table, number));
        table.take();
        // `over` is ahead of `waiting` only because that one leaves and comes back.
        table.abandon(waiting);
        assert_eq!(table.take().map(|(index, _)| index), Some(over));
        finish(&mut table, over);
        let waiting = add(&mut table, 3);
        assert_eq!(table.clear(Fault::Down, Fault::Vanished).len(), 2);
        assert_eq!(table.clear(Fault::Down, Fault::Vanished).len(), 0);
        for (index, want) in [(issued, Err(Fault::Vanished)), (waiting, Err(Fault::Down))] {
            let Poll::Ready(finished) = table.poll(index, cx) else { panic!("{index} is not over") };
            assert_eq!(finished.result.map(drop), want);
        }
        let Poll::Ready(finished) = table.poll(over, cx) else { panic!("not over") };
        assert!(finished.result.is_ok());
    }
    #[test]
    fn what_is_over_of_a_group_is_fetched_in_its_order_and_wakes_once() {
        let mut table = Table::default();
        let group = table.open_group();
        for token in 0..4 {
            table.add_to(group, token, &mut request(u32::try_from(token).unwrap()));
        }
        let taken: Vec<u32> = std::iter::from_fn(|| table.take()).map(|(index, _)| index).collect();
        table.watch(group, Waker::noop());
        assert!(finish(&mut table, taken[2]).is_some(), "who watches is woken");
        assert!(finish(&mut table, taken[0]).is_none(), "and not again before it has looked");
        assert!(table.finish(taken[3], Err(Fault::Vanished), Payload::None).is_none());
        let mut over = VecDeque::new();
        table.take_over(group, &mut over);
        let tokens: Vec<(u64, bool)> = over.iter().map(|over| (over.token, over.result.is_ok())).collect();
        assert_eq!(tokens, [(2, true), (0, true), (3, false)]);
        let failed = over.pop_back().unwrap().result.unwrap_err();
        assert_eq!((failed.request.command.cdw10, failed.fault), (3, Fault::Vanished));
        over.clear();
        table.take_over(group, &mut over);
        assert!(over.is_empty());
        assert_eq!(len(&table), 1);
    }

    #[test]
    fn a_group_that_is_closed_leaves_nothing_but_what_the_controller_has() {
        let mut table = Table::default();
        let group = table.open_group();
        for token in 0..4 {
            table.add_to(group, token, &mut request(0));
        }
        let other = add(&mut table, 9);
        let (over, issued) = (table.take().unwrap().0, table.take().unwrap().0);
        finish(&mut table, over);
        // One is over, one with the controller, two wait.
        assert_eq!(table.close_group(group).len(), 4);
        assert_eq!((len(&table), table.waiting()), (2, 1));
        // The number is used again, and what the old group left behind is not the new one's.
        assert_eq!(table.open_group(), group);
        assert!(finish(&mut table, issued).is_none());
        let mut fetched = VecDeque::new();
        table.take_over(group, &mut fetched);
        assert!(fetched.is_empty());
        assert_eq!(len(&table), 1);
        assert_eq!(table.take().map(|(index, _)| index), Some(other));
    }
}
