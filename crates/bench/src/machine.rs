//! The machine that is measured.

/// Cores of this machine that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One thread, and as many as there are cores.
pub fn threads() -> Vec<usize> {
    let mut threads = vec![1, cores()];
    threads.dedup();
    threads
}

/// Warns on standard error if other programs keep the cores busy, where the system tells. A step
/// waits for its slowest thread, and threads that wait spinning suffer most.
pub fn warn_if_busy() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let cores = cores();
    if load > 0.5 * cores as f64 {
        eprintln!(
            "warning: the machine is busy (a load of {load} in the last minute, on {cores} cores); \
             do not rely on these figures"
        );
    }
}
