//! Messages between the processes of a job, over MPI.
//!
//! Sends and receives do not block, so that a process that has stopped is given up after a while. It
//! cannot be waited for, and neither can the end of MPI: whatever fails prints one sentence and ends
//! the job by `MPI_Abort`. Nothing is ever summed by MPI, whose order of a sum is its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use chainrule_tensor::comm::{Lost, Transport, Wait};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::request::scope;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Source};

/// MPI counts in `i32`: longer messages are sent in parts.
const MOST_BYTES: usize = 1 << 30;

/// Of all messages: between two processes they keep their order.
const TAG: i32 = 7;

/// After this time a waiting process offers its core to others. A look at the messages may do so
/// itself, and take long: looks are not counted.
const SPIN: Duration = Duration::from_micros(100);

/// After this time it sleeps between two looks: another process evaluates, or writes a file.
const SOON: Duration = Duration::from_millis(2);

/// Seconds after which a silent process is given up, where not a minute.
const TIMEOUT: &str = "CHAINRULE_RANKS_TIMEOUT";

/// Of the message that a failure has been told: one process tells it.
const TOLD: i32 = 8;
static TOLD_BYTE: u8 = 1;

/// How long a process waits for one that has ended, or after a signal to end the job: `mpirun` kills
/// all processes soon after one has died, and someone must still say so.
const GRACE: Duration = Duration::from_millis(200);

/// How much longer each rank waits than the one before it, so that one tells and the others hear it.
const TURN: Duration = Duration::from_millis(100);

/// MPI, until it is left.
static UNIVERSE: Mutex<Option<Universe>> = Mutex::new(None);
static WORLD: OnceLock<World> = OnceLock::new();

/// The processes of a job.
#[derive(Clone, Debug)]
struct World {
    process: usize,
    processes: usize,
    timeout: Option<Duration>,
    /// The process ids, of those on this machine.
    ids: Arc<OnceLock<Vec<Option<u32>>>>,
    /// There was a signal.
    signal: Arc<AtomicBool>,
    /// The first failure is told, and ends the job.
    failed: Arc<AtomicBool>,
}

/// Begins MPI.
///
/// # Errors
/// If it lets only one thread call it.
pub fn connect() -> anyhow::Result<Arc<dyn Transport>> {
    let timeout = timeout()?;
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Serialized) else {
        bail!("MPI has begun already");
    };
    let world = universe.world();
    let number = |n: i32| usize::try_from(n).expect("MPI counts from 0");
    let world = World {
        process: number(world.rank()),
        processes: number(world.size()),
        timeout,
        ids: Arc::default(),
        signal: Arc::default(),
        failed: Arc::default(),
    };
    *UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner) = Some(universe);
    ensure!(
        threading >= Threading::Serialized,
        "this MPI lets only one thread call it ({threading:?}): MPI_THREAD_SERIALIZED is needed"
    );
    end_the_job_on_panic(world.clone());
    world.learn_ids()?;
    Ok(Arc::new(WORLD.get_or_init(|| world).clone()))
}

/// How long a step waits for a silent process, if it was said.
fn timeout() -> anyhow::Result<Option<Duration>> {
    let Ok(text) = std::env::var(TIMEOUT) else { return Ok(None) };
    let seconds =
        text.trim().parse::<f64>().ok().filter(|seconds| (1.0..=86400.0).contains(seconds));
    let Some(seconds) = seconds else {
        bail!("{TIMEOUT} is `{text}`: it must be a number of seconds from 1 to 86400");
    };
    Ok(Some(Duration::from_secs_f64(seconds)))
}

/// A panic unwinds one process, while the others wait for it, and so would the end of MPI.
fn end_the_job_on_panic(world: World) {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !world.failed.load(Ordering::Relaxed) {
            print(panic);
        }
        world.fail(&format!("rank {} has panicked", world.process));
    }));
}

/// From here on a signal ends no process at once.
pub fn hear_signals() -> anyhow::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    if let Some(world) = WORLD.get() {
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, world.signal.clone())?;
        }
    }
    Ok(())
}

/// Ends MPI; after a failure of which all know, or this process alone, the whole job.
pub fn leave(succeeded: bool) {
    if let (Some(world), true) = (WORLD.get(), succeeded) {
        // The first may draw for a while, and the end of MPI would be waited for at full speed.
        let _ = world.all_gather(vec![], Wait::Files);
    }
    let universe = UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match universe {
        Some(universe) if succeeded || universe.world().size() == 1 => drop(universe),
        Some(universe) => {
            // The first process prints the error, and its abort ends the others.
            if universe.world().rank() > 0 {
                sleep(Duration::from_secs(3));
            }
            universe.world().abort(1)
        }
        None => {}
    }
}

impl World {
    /// Tells one failure and ends the job.
    fn fail(&self, what: &str) -> ! {
        let world = SimpleCommunicator::world();
        let told = || world.any_process().immediate_probe_with_tag(TOLD).is_some();
        if self.failed.swap(true, Ordering::Relaxed) || told() {
            // Another thread or process is about to end the job.
            sleep(Duration::from_secs(3));
            world.abort(1)
        }
        eprintln!("error: {what}; {}", super::advice(self.processes));
        scope(|scope| {
            for process in (0..self.processes).filter(|&process| process != self.process) {
                let peer = world.process_at_rank(process as i32);
                // It is not waited for, and the job ends within the scope.
                std::mem::forget(peer.immediate_send_with_tag(scope, &TOLD_BYTE, TOLD));
            }
            world.abort(1)
        })
    }

    /// Exchanges the process ids of each machine.
    fn learn_ids(&self) -> anyhow::Result<()> {
        let machine = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
        let own = [&std::process::id().to_le_bytes()[..], &machine].concat();
        let id = |other: &Vec<u8>| {
            let (id, place) = other.split_at_checked(4)?;
            let id = u32::from_le_bytes(id.try_into().ok()?);
            (!machine.is_empty() && place == machine).then_some(id)
        };
        let ids = self.all_gather(own, Wait::Files)?.iter().map(id).collect();
        self.ids.get_or_init(|| ids);
        Ok(())
    }

    /// Whether a process of this machine has ended.
    fn is_gone(&self, process: usize) -> bool {
        let id = self.ids.get().and_then(|ids| ids[process]);
        id.is_some_and(|id| !std::path::Path::new(&format!("/proc/{id}")).exists())
    }

    /// How long a process may be silent now.
    fn patience(&self, wait: Wait) -> Duration {
        let factor = if wait == Wait::Step { 1 } else { 10 };
        let limit = self.timeout.map_or(wait.limit(), |timeout| timeout * factor);
        let signal = wait == Wait::Step && self.signal.load(Ordering::Relaxed);
        (if signal { limit.min(2 * GRACE) } else { limit }) + TURN * self.process as u32
    }
}

impl Transport for World {
    fn process(&self) -> usize {
        self.process
    }

    fn processes(&self) -> usize {
        self.processes
    }

    fn exchange(&self, out: &[Vec<u8>], into: &mut [Vec<u8>], wait: Wait) -> Result<(), Lost> {
        #[cfg(debug_assertions)]
        self.panic_on_purpose();
        let world = SimpleCommunicator::world();
        let peer = |process: usize| world.process_at_rank(process as i32);
        scope(|scope| {
            let mut pending = vec![];
            for (process, letter) in into.iter_mut().enumerate() {
                for part in letter.chunks_mut(MOST_BYTES) {
                    let request = peer(process).immediate_receive_into_with_tag(scope, part, TAG);
                    pending.push((process, request));
                }
            }
            for (process, letter) in out.iter().enumerate() {
                for part in letter.chunks(MOST_BYTES) {
                    pending
                        .push((process, peer(process).immediate_send_with_tag(scope, part, TAG)));
                }
            }
            let mut last = Instant::now();
            while let Some(&(process, _)) = pending.first() {
                let before = pending.len();
                pending = pending
                    .into_iter()
                    .filter_map(|(process, request)| Some((process, request.test().err()?)))
                    .collect();
                if pending.len() < before {
                    last = Instant::now();
                    continue;
                }
                let silent = last.elapsed();
                if silent > self.patience(wait) {
                    self.give_up(process, silent);
                } else if silent > GRACE + TURN * self.process as u32 {
                    if let Some((process, _)) = pending.iter().find(|(p, _)| self.is_gone(*p)) {
                        self.fail(&format!("rank {process} has died"));
                    }
                    sleep(SOON);
                } else if silent > SOON {
                    sleep(SPIN);
                } else if silent > SPIN {
                    yield_now();
                }
            }
        });
        Ok(())
    }
}

impl World {
    /// For `just mpi-check`: the rank that `CHAINRULE_PANIC` names panics after some hundred messages.
    #[cfg(debug_assertions)]
    fn panic_on_purpose(&self) {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let named =
            std::env::var("CHAINRULE_PANIC").is_ok_and(|rank| rank == self.process.to_string());
        assert!(!named || COUNT.fetch_add(1, Ordering::Relaxed) < 600, "on purpose");
    }

    /// Ends the job: messages that were begun cannot be called back.
    fn give_up(&self, process: usize, after: Duration) -> ! {
        if self.signal.load(Ordering::Relaxed) {
            self.fail(&format!(
                "rank {process} does not answer since a signal to end the job: it has died, or is \
                 about to"
            ))
        }
        self.fail(&Lost::Silent { process, after }.to_string())
    }
}
