//! How much of a processor a thread has had.

use std::time::Duration;

/// Processor time of this thread, the kernel's work for it included.
///
/// Where a bench runs on one thread that never waits, this is what the wall clock would say on an idle machine; on a busy one the wall clock
/// says how busy it is.
pub(crate) fn time() -> Duration {
    // First field: nanoseconds on a processor.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel tells schedstat");
    let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds"))
}
