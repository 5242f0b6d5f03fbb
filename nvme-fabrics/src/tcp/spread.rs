//! Which queue a command goes to.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The next thread's number.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's number, counted in the order in which they came.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// One of `queues` queues: always the same for the same task, or for the same thread outside of tasks. So commands of one task meet on one
/// connection, where they leave together, and tasks are spread evenly.
pub(crate) fn index(queues: usize) -> usize {
    let number = match tokio::task::try_id() {
        Some(id) => {
            let mut number = Number::default();
            id.hash(&mut number);
            usize::try_from(number.0 & 0xffff_ffff).unwrap_or(0)
        }
        None => THREAD.with(|thread| match thread.get() {
            Some(number) => number,
            None => {
                let number = THREADS.fetch_add(1, Ordering::Relaxed);
                thread.set(Some(number));
                number
            }
        }),
    };
    number.checked_rem(queues).unwrap_or(0)
}

/// Takes the number out of a task's identifier: they are counted, so that neighbours go to different queues.
#[derive(Default)]
struct Number(u64);

impl Hasher for Number {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn tasks_are_spread_and_each_stays_where_it_is() {
        let mut tasks = Vec::new();
        for _ in 0..64 {
            tasks.push(tokio::spawn(async {
                let first = index(4);
                tokio::task::yield_now().await;
                assert_eq!(first, index(4));
                first
            }));
        }
        let mut counts = BTreeMap::new();
        for task in tasks {
            *counts.entry(task.await.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 4, "{counts:?}");
        assert!(counts.values().all(|count| *count >= 8), "{counts:?}");
    }

    #[test]
    fn a_thread_stays_where_it_is() {
        assert_eq!(index(3), index(3));
        assert_eq!(index(1), 0);
        assert_eq!(index(0), 0);
    }
}
