//! Ctrl-C and SIGTERM, and the signal of a file that may not grow.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Ctrl-C and SIGTERM: the first asks the run to stop, the second ends the program at once.
#[derive(Default)]
pub struct Signals {
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Until this is called, a signal does what it does to any program.
    pub fn listen(&self) -> anyhow::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let code = 128 + signal;
            signal_hook::flag::register_conditional_shutdown(signal, code, again.clone())?;
            let number = usize::try_from(signal).expect("signals are numbered from 1");
            signal_hook::flag::register_usize(signal, self.caught.clone(), number)?;
            signal_hook::flag::register(signal, again.clone())?;
        }
        Ok(())
    }

    /// Whether there was one.
    pub fn caught(&self) -> bool {
        self.caught.load(Ordering::Relaxed) > 0
    }

    /// What the shell gives a program that a signal ended.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(128 + self.caught.load(Ordering::Relaxed) as u8)
    }
}

/// A write beyond the limit on the size of a file (`ulimit -f`) fails as one on a full disk does, and
/// does not end the program: SIGXFSZ sets a flag that nobody reads.
pub fn let_writes_fail() -> std::io::Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::default()))?;
    Ok(())
}
