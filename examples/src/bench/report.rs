//! What a run measured, as lines for people.

use std::fmt;

use hdrhistogram::Histogram;

use super::cpu::Cpu;
use super::job::{Job, Op};

/// I/Os per second of about a tenth of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Its end, in seconds since the first I/O.
    pub at: f64,
    /// Reads per second.
    pub reads: f64,
    /// Writes per second.
    pub writes: f64,
}

/// What a run measured over all its jobs.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was done.
    pub job: Job,
    /// On what.
    pub target: String,
    /// With what.
    pub engine: String,
    /// Seconds from the first I/O to the last.
    pub seconds: f64,
    /// Latencies of reads in nanoseconds, from submission to completion; absent where nothing was read.
    pub reads: Option<Histogram<u64>>,
    /// Latencies of writes in nanoseconds; absent where nothing was written.
    pub writes: Option<Histogram<u64>>,
    /// What it cost this process.
    pub cpu: Cpu,
    /// I/Os per second over time.
    pub timeline: Vec<Sample>,
}

impl Report {
    /// The directions that were used, with their latencies in nanoseconds.
    pub fn sides(&self) -> impl Iterator<Item = (Op, &Histogram<u64>)> {
        let reads = self.reads.as_ref().map(|latencies| (Op::Read, latencies));
        reads.into_iter().chain(self.writes.as_ref().map(|latencies| (Op::Write, latencies)))
    }

    /// I/Os completed.
    pub fn ios(&self) -> u64 {
        self.sides().map(|(_, latencies)| latencies.len()).sum()
    }

    /// I/Os per second.
    pub fn iops(&self) -> f64 {
        self.rate(self.ios())
    }

    /// So many of something, per second.
    pub fn rate(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }

    /// Bytes that so many I/Os moved.
    pub fn bytes(&self, ios: u64) -> u64 {
        ios.saturating_mul(u64::from(self.job.block_size))
    }

    /// What the pattern is called on one side of it.
    fn title(&self, op: Op) -> String {
        if self.sides().count() > 1 { format!("random {op}") } else { self.job.pattern.to_string() }
    }
}

/// A line for each direction, then one for the processor.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (op, latencies) in self.sides() {
            let ios = latencies.len();
            let mib = self.rate(self.bytes(ios)) / f64::from(1 << 20);
            let us = |quantile: f64| time(latencies.value_at_quantile(quantile) as f64);
            writeln!(
                f,
                "{}: {:.0} IOPS, {mib:.1} MiB/s, latency mean {}, p50 {}, p99 {}, p99.9 {}, max {}",
                self.title(op),
                self.rate(ios),
                time(latencies.mean()),
                us(0.5),
                us(0.99),
                us(0.999),
                time(latencies.max() as f64)
            )?;
        }
        let share = |seconds: f64| if self.seconds > 0.0 { seconds / self.seconds * 100.0 } else { 0.0 };
        write!(
            f,
            "{}: {:.1} us of processor time per I/O (user {:.0} %, system {:.0} % of one processor)",
            self.engine,
            self.cpu.us_per_io(self.ios()),
            share(self.cpu.user),
            share(self.cpu.system)
        )
    }
}

/// Nanoseconds in the unit that people would say, with three digits.
pub(super) fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    match value {
        value if value < 9.995 => format!("{value:.2} {unit}"),
        value if value < 99.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::job::Pattern;
    use super::super::measure::histogram;
    use super::*;

    /// A run of two seconds with a thousand reads of 100 us and, when asked, ten writes of 2 ms.
    pub(in super::super) fn made(pattern: Pattern) -> Report {
        let (mut reads, mut writes) = (histogram(), histogram());
        reads.record_n(100_000, 1000).unwrap();
        writes.record_n(2_000_000, 10).unwrap();
        Report {
            job: Job { jobs: 2, ..Job::guide(pattern, Duration::from_secs(2)) },
            target: "/dev/nvme9n1".to_owned(),
            engine: "io_uring".to_owned(),
            seconds: 2.0,
            reads: (pattern != Pattern::RandWrite).then_some(reads),
            writes: pattern.writes().then_some(writes),
            cpu: Cpu { user: 0.5, system: 1.0, context_switches: 7, major_faults: 0, minor_faults: 3 },
            timeline: (1..=20)
                .map(|tenth| Sample { at: f64::from(tenth) / 10.0, reads: 500.0, writes: 5.0 })
                .collect(),
        }
    }

    #[test]
    fn says_what_people_ask_for() {
        let text = made(Pattern::RandRw).to_string();
        for wanted in [
            "random read: 500 IOPS",
            "random write: 5 IOPS",
            "p99.9 2.01 ms",
            "1485.1 us of processor time per I/O",
        ] {
            assert!(text.contains(wanted), "{wanted:?} in\n{text}");
        }
        assert!(made(Pattern::Read).to_string().starts_with("sequential read: 500 IOPS, 2.0 MiB/s"));
    }

    #[test]
    fn times_have_three_digits() {
        for (ns, text) in [
            (0.0, "0.00 ns"),
            (999.0, "999 ns"),
            (1234.0, "1.23 us"),
            (99_960.0, "100 us"),
            (4.2e9, "4.20 s"),
        ] {
            assert_eq!(time(ns), text);
        }
    }
}
