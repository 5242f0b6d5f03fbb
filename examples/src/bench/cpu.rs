//! What a run costs this process: processor time, context switches, page faults.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time and events of this process, all its threads together; what kernel threads do for it is not in there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Seconds in user space.
    pub user: f64,
    /// Seconds in the kernel.
    pub system: f64,
    /// Context switches, voluntary or not.
    pub context_switches: u64,
    /// Page faults that a disk had to answer.
    pub major_faults: u64,
    /// Page faults that memory answered.
    pub minor_faults: u64,
}

impl Cpu {
    /// As of now, since the process began.
    pub fn now() -> Self {
        getrusage(UsageWho::RUSAGE_SELF).map_or_else(|_| Self::default(), |usage| Self::read(&usage))
    }

    fn read(usage: &Usage) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Self {
            user: seconds(usage.user_time()),
            system: seconds(usage.system_time()),
            context_switches: count(usage.voluntary_context_switches())
                + count(usage.involuntary_context_switches()),
            major_faults: count(usage.major_page_faults()),
            minor_faults: count(usage.minor_page_faults()),
        }
    }

    /// What came since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
            context_switches: self.context_switches.saturating_sub(earlier.context_switches),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
        }
    }

    /// Microseconds of processor time for each of `ios` I/Os.
    pub fn us_per_io(self, ios: u64) -> f64 {
        if ios == 0 { 0.0 } else { (self.user + self.system) * 1e6 / ios as f64 }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time() {
        let before = Cpu::now();
        let begun = std::time::Instant::now();
        let mut sum = 0u64;
        while Cpu::now().since(before).user + Cpu::now().since(before).system == 0.0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
            assert!(begun.elapsed().as_secs() < 60, "no processor time passes");
        }
        let spent = Cpu { user: 0.5, system: 1.5, ..Cpu::default() };
        assert_eq!(spent.us_per_io(1000), 2000.0);
        assert_eq!(spent.us_per_io(0), 0.0);
    }
}
