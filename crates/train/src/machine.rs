//! What the run's files say about the machine that it ran on, and how much memory it has left.

use std::path::Path;

mod memory;

pub use memory::Available;

/// The memory that this process may still take, where the system tells: the least of what is free
/// on the machine, in its cgroup and those around it (a container's limit), and below its own limits
/// (`ulimit -v`, `ulimit -d`).
pub fn available_memory() -> Option<Available> {
    memory::available(Path::new("/"))
}

/// The processor's name where the system tells, else its architecture.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// A time in UTC, to the second; a clock that stands outside of the years 1970 to 9999 is said so.
pub(crate) fn time(time: std::time::SystemTime) -> String {
    let seconds = time.duration_since(std::time::UNIX_EPOCH).map_or(u64::MAX, |t| t.as_secs());
    const YEAR_10000: u64 = 253_402_300_800;
    if seconds >= YEAR_10000 {
        return "unknown: the clock is wrong".into();
    }
    humantime::format_rfc3339_seconds(time).to_string()
}

/// So many threads, or one for each core if `asked` is 0.
pub fn threads(asked: usize) -> usize {
    if asked == 0 { cores() } else { asked }
}

/// Number of cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The name of this machine, and which of its cores this process may use where the system tells.
pub(crate) fn cores_as_text() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let cores =
        status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap_or_default();
    format!("{} {cores}", read("/proc/sys/kernel/hostname").trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_clock_that_is_wrong_by_centuries_ends_no_run() {
        assert_eq!(time(UNIX_EPOCH + Duration::from_secs(951_782_400)), "2000-02-29T00:00:00Z");
        for wrong in
            [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1 << 38)]
        {
            assert_eq!(time(wrong), "unknown: the clock is wrong");
        }
    }
}
