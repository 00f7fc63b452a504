//! `--ranks`: one run by several processes, which `mpirun` or `srun` has started.
//!
//! Whoever starts several processes without it would train as many runs at once, all into one folder:
//! the variables of the launchers are looked at, and the right command is named.

#[cfg(feature = "mpi")]
mod mpi;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use chainrule_train::{Checkpoint, Processes};

use crate::shell::quoting::{program, quoted};

/// The processes of this run, of which `asked` are expected.
///
/// # Errors
/// If the launcher has started another number, or this build has no MPI.
pub fn join(asked: Option<usize>) -> anyhow::Result<Processes> {
    let variable = |name: &str| std::env::var(name).ok();
    let launched = launched(variable);
    let is_first = RANKS.iter().find_map(|name| variable(name)).is_none_or(|rank| rank == "0");
    ONE_OF_MANY.store(launched.is_some_and(|(_, size)| size > 1) && !is_first, Ordering::Relaxed);
    match (asked, launched) {
        (None | Some(1), None | Some((_, 1))) => Ok(Processes::default()),
        (None, Some((variable, size))) => bail!(
            "{size} processes were started ({variable}), and each would train the whole run by \
             itself; one run by all of them is `{}`",
            command(size)
        ),
        (Some(asked), Some((variable, size))) if size != asked => bail!(
            "--ranks is {asked}, and {size} process{} started ({variable}); the command is `{}`",
            if size == 1 { " was" } else { "es were" },
            command(asked)
        ),
        (Some(asked), _) => connect(asked),
    }
}

#[cfg(feature = "mpi")]
fn connect(asked: usize) -> anyhow::Result<Processes> {
    let transport = mpi::connect()?;
    let size = transport.processes();
    if size != asked {
        bail!(
            "--ranks is {asked}, and MPI has {size} process{}; the command is `{}`",
            if size == 1 { "" } else { "es" },
            command(asked)
        );
    }
    let processes = Processes::joined(transport);
    ONE_OF_MANY.store(!processes.is_first(), Ordering::Relaxed);
    if !processes.is_first() {
        crate::shell::verbosity::set(crate::shell::verbosity::Verbosity::Quiet);
    }
    Ok(processes)
}

#[cfg(not(feature = "mpi"))]
fn connect(asked: usize) -> anyhow::Result<Processes> {
    bail!(
        "--ranks {asked} needs a build with MPI: `cargo install --path crates/cli --features mpi` \
         makes one, where MPI and libclang are installed (docs/cluster.md)"
    )
}

/// The rank of a process, by its launcher.
const RANKS: [&str; 4] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "PMIX_RANK"];

/// What the launcher's variables say: the number of processes, and the variable that says so.
fn launched(variable: impl Fn(&str) -> Option<String>) -> Option<(&'static str, usize)> {
    let number = |name| variable(name)?.trim().parse::<usize>().ok();
    // Slurm sets the number of tasks for the script too, which is one process.
    let of_slurm = number("SLURM_PROCID").and(number("SLURM_STEP_NUM_TASKS"));
    let size = |name| Some((name, number(name)?));
    size("OMPI_COMM_WORLD_SIZE")
        .or(size("PMI_SIZE"))
        .or(of_slurm.map(|size| ("SLURM_STEP_NUM_TASKS", size)))
        // PMIx tells the rank alone: there are more than that.
        .or(number("PMIX_RANK").filter(|&rank| rank > 0).map(|rank| ("PMIX_RANK", rank + 1)))
}

/// The command that was called, by so many ranks.
fn command(ranks: usize) -> String {
    let mut words = std::env::args().skip(1);
    let mut kept = vec![];
    while let Some(word) = words.next() {
        match word.as_str() {
            "--ranks" => drop(words.next()),
            word if word.starts_with("--ranks=") => {}
            word => kept.push(quoted(word)),
        }
    }
    format!("mpirun -n {ranks} {} {} --ranks {ranks}", program(), kept.join(" "))
}

/// The folder of the run, for the last words of a job that fails.
static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();

/// Says where the run is, once it has a folder.
pub fn set_folder(folder: &Path) {
    FOLDER.get_or_init(|| folder.to_owned());
}

/// What to do after the job has failed.
#[cfg_attr(not(feature = "mpi"), expect(dead_code, reason = "no job without MPI"))]
fn advice(ranks: usize) -> String {
    match FOLDER.get() {
        Some(folder) if Checkpoint::path(folder).exists() => format!(
            "the checkpoint in {} is whole, and `mpirun -n {ranks} {} train --resume {} --ranks \
             {ranks}` goes on from there",
            folder.display(),
            program(),
            quoted(&folder.to_string_lossy())
        ),
        _ => "there is no checkpoint yet".into(),
    }
}

/// This process is not the first of its job.
static ONE_OF_MANY: AtomicBool = AtomicBool::new(false);

/// Whether this process prints what went wrong: the first of a job does.
pub fn prints_errors() -> bool {
    !ONE_OF_MANY.load(Ordering::Relaxed)
}

/// From here on a signal asks the first process to stop, and ends none.
pub fn hear_signals() -> anyhow::Result<()> {
    #[cfg(feature = "mpi")]
    mpi::hear_signals()?;
    Ok(())
}

/// Leaves the job at the end of a process that has done its part, or ends it for all.
pub fn leave(succeeded: bool) {
    #[cfg(feature = "mpi")]
    mpi::leave(succeeded);
    #[cfg(not(feature = "mpi"))]
    let _ = succeeded;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_processes_is_what_the_launcher_says() {
        let of = |variables: &[(&str, &str)]| {
            launched(|name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| value.to_string())
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "4")]), Some(("OMPI_COMM_WORLD_SIZE", 4)));
        assert_eq!(of(&[("PMI_SIZE", "2"), ("PMI_RANK", "0")]), Some(("PMI_SIZE", 2)));
        let step = [("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "8")];
        assert_eq!(of(&step), Some(("SLURM_STEP_NUM_TASKS", 8)));
        // A batch script, or a task of an array, is one process, however many tasks it may start.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]), None);
        assert_eq!(of(&[("SLURM_STEP_NUM_TASKS", "8")]), None);
        assert_eq!(of(&[("PMIX_RANK", "0")]), None);
        assert_eq!(of(&[("PMIX_RANK", "3")]), Some(("PMIX_RANK", 4)));
    }
}
