//! Processor time of processes.

use std::time::Duration;

/// How many ticks of /proc are a second: 100 on every Linux that programs see.
const TICKS: u64 = 100;

/// The processor time that a process has used, in itself and in the kernel; `None` where that is not known.
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks(&stat).map(|ticks| Duration::from_millis(ticks * 1_000 / TICKS))
}

/// `utime` and `stime` (proc_pid_stat(5)). The name before them is in brackets and may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 3";
        assert_eq!(ticks(stat), Some(175));
    }
}
