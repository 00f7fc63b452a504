//! `--ranks`: what a build without MPI says, and, in one with it (`just mpi-check`), runs by `mpirun`.

use std::process::Command;

use assert_cmd::cargo::cargo_bin;

#[cfg(feature = "mpi")]
mod support;

/// The variables of every launcher that is known.
const LAUNCHERS: [&str; 6] = [
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE",
    "PMIX_RANK",
    "SLURM_PROCID",
    "SLURM_STEP_NUM_TASKS",
];

/// What `chainrule train` says on standard error with these flags and variables, when it fails.
fn refusal(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(cargo_bin!("chainrule"));
    for name in LAUNCHERS {
        command.env_remove(name);
    }
    let out = folder.path().join("run");
    command.args(["train", "--data", "sample", "--epochs", "1", "--out"]).arg(&out);
    let output = command.args(flags).envs(variables.iter().copied()).output().unwrap();
    assert!(!output.status.success(), "{flags:?} {variables:?}");
    assert!(!out.exists(), "no folder is made");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn processes_that_would_each_train_the_whole_run_are_refused_with_the_right_command() {
    for (variables, size) in [
        (&[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "0")][..], 4),
        (&[("PMI_SIZE", "3")], 3),
        (&[("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "2")], 2),
    ] {
        let said = refusal(&["--seed", "7"], variables);
        assert!(said.starts_with(&format!("error: {size} processes were started")), "{said}");
        assert!(said.contains(&format!("`mpirun -n {size} ")), "{said}");
        assert!(said.contains(&format!("--seed 7 --ranks {size}`")), "{said}");
    }
    let other = [("OMPI_COMM_WORLD_SIZE", "4")];
    for flags in [&["--ranks", "2"][..], &["--ranks=2"]] {
        let said = refusal(flags, &other);
        assert!(said.contains("--ranks is 2, and 4 processes were started"), "{said}");
        assert!(said.contains("`mpirun -n 2 ") && said.contains("--ranks 2`"), "{said}");
    }
    // Of many processes one says so.
    let quiet = refusal(&[], &[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "1")]);
    assert_eq!(quiet, "");
}

#[cfg(not(feature = "mpi"))]
#[test]
fn a_build_without_mpi_says_how_to_make_one_with_it() {
    let said = refusal(&["--ranks", "2"], &[]);
    assert!(said.contains("--features mpi") && said.contains("docs/cluster.md"), "{said}");
}

#[cfg(feature = "mpi")]
mod by_mpirun {
    use std::io::Read;
    use std::path::Path;
    use std::process::{Child, Output, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// What is trained: the default, a deep network with batch normalization and dropout, and layer
    /// normalization with clipping.
    const CASES: [&str; 3] = [
        "",
        "--hidden-dim 50,34,20 --norm batch --dropout 0.2 --optimizer adam --lr 0.001",
        "--hidden-dim 50,34 --norm layer --clip-norm 0.5 --flip",
    ];

    /// `mpirun` without a program yet.
    fn mpirun() -> Command {
        let mut command = Command::new("mpirun");
        command.args(["--oversubscribe", "--bind-to", "none", "--allow-run-as-root"]);
        for name in LAUNCHERS {
            command.env_remove(name);
        }
        command
    }

    fn train<'a>(command: &'a mut Command, flags: &str, out: &Path) -> &'a mut Command {
        command.arg(cargo_bin!("chainrule")).args(["train", "--data", "sample", "-q"]);
        command.args(flags.split_whitespace()).arg("--out").arg(out)
    }

    fn on_ranks(ranks: usize, threads: usize, flags: &str, out: &Path) -> Command {
        let (ranks, threads) = (ranks.to_string(), threads.to_string());
        let mut command = mpirun();
        train(command.args(["-n", &ranks]), flags, out);
        command.args(["--threads", &threads, "--ranks", &ranks, "--autoresume"]);
        command
    }

    fn on_threads(flags: &str, out: &Path) {
        let mut command = Command::new("env");
        train(&mut command, flags, out).args(["--threads", "2", "--autoresume"]);
        succeeds(&mut command);
    }

    fn succeeds(command: &mut Command) {
        let Output { status, stderr, .. } = command.output().unwrap();
        assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    }

    #[test]
    fn any_number_of_ranks_leaves_the_files_of_threads() {
        for case in CASES {
            let folder = tempfile::tempdir().unwrap();
            let flags = format!("--epochs 2 {case}");
            let threads = folder.path().join("threads");
            on_threads(&flags, &threads);
            for (ranks, each) in [(1, 1), (2, 1), (3, 1), (4, 1), (2, 2)] {
                let out = folder.path().join(format!("{ranks}x{each}"));
                succeeds(&mut on_ranks(ranks, each, &flags, &out));
                support::same(&threads, &out, &format!("{case:?} on {ranks} ranks of {each}"));
            }
        }
    }

    /// A job under way, with a checkpoint after its first epoch.
    fn begin(mut command: Command, out: &Path) -> Child {
        let mut job = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let epochs = || std::fs::read_to_string(out.join("epochs.csv")).unwrap_or_default();
        let began = epochs().lines().count();
        while epochs().lines().count() < began.max(2) + 1 {
            if job.try_wait().unwrap().is_some() {
                panic!("{command:?} has ended: {}", said(&mut job));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        job
    }

    fn said(job: &mut Child) -> String {
        let mut text = String::new();
        job.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Sends a signal to a process by its id.
    fn signal(signal: &str, id: &str) {
        assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
    }

    /// The process id of a rank of this job.
    fn process_of(job: &Child, rank: usize) -> String {
        let of_job = format!("/proc/{0}/task/{0}/children", job.id());
        let children = std::fs::read_to_string(of_job).unwrap();
        let variable = format!("OMPI_COMM_WORLD_RANK={rank}");
        let is_rank = |id: &&str| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes())
        };
        children.split_whitespace().find(is_rank).expect("the rank runs").to_owned()
    }

    /// Waits for the end of a job, which must fail within so many seconds, and says what it said.
    fn fails_within(mut job: Child, seconds: u64) -> String {
        let limit = Instant::now() + Duration::from_secs(seconds);
        let status = loop {
            match job.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > limit => {
                    job.kill().unwrap();
                    panic!("the job hangs: {}", said(&mut job));
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        assert!(!status.success());
        said(&mut job)
    }

    /// Long enough to be interrupted.
    const LONG: &str = "--epochs 60 --hidden-dim 30 --batch-size 100";

    #[test]
    fn a_run_that_is_stopped_on_three_ranks_goes_on_on_two_and_on_threads() {
        for case in CASES {
            let folder = tempfile::tempdir().unwrap();
            let (whole, out) = (folder.path().join("whole"), folder.path().join("stopped"));
            let flags = format!("--epochs 30 {case}");
            on_threads(&flags, &whole);
            for ranks in [3, 2] {
                let mut job = begin(on_ranks(ranks, 1, &flags, &out), &out);
                signal("-TERM", &process_of(&job, 0)); // mpirun itself gives it a second
                assert!(!job.wait().unwrap().success());
                let said = said(&mut job);
                assert!(said.contains("Stopped after iteration"), "{ranks} ranks: {said}");
            }
            on_threads(&flags, &out);
            support::same(&whole, &out, &format!("{case:?}, stopped twice"));
        }
    }

    /// What a job says once one of its ranks is no longer there; the run is then resumed.
    fn interrupted(by: &str, seconds: u64, environment: &[(&str, &str)], end: impl FnOnce(&Child)) {
        let folder = tempfile::tempdir().unwrap();
        let (whole, out) = (folder.path().join("whole"), folder.path().join("interrupted"));
        on_threads(LONG, &whole);
        let mut command = mpirun();
        train(command.args(["-n", "3"]), LONG, &out).args(["--threads", "1", "--ranks", "3"]);
        command.envs(environment.iter().copied());
        let job = begin(command, &out);
        end(&job);
        let said = fails_within(job, seconds);
        let sentences: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        let [sentence] = sentences[..] else { panic!("{by}: one sentence: {said}") };
        let checkpoint = format!("the checkpoint in {} is whole", out.display());
        assert!(sentence.contains(&checkpoint), "{by}: {sentence}");
        succeeds(&mut on_ranks(2, 1, LONG, &out));
        support::same(&whole, &out, by);
    }

    #[test]
    fn a_rank_that_is_killed_ends_the_job_and_the_run_goes_on_to_the_same_bytes() {
        for rank in [0, 2] {
            let by = format!("SIGKILL of rank {rank}");
            interrupted(&by, 5, &[], |job| signal("-KILL", &process_of(job, rank)));
        }
    }

    #[test]
    fn a_rank_that_panics_ends_the_job_and_the_run_goes_on_to_the_same_bytes() {
        interrupted("a panic of rank 1", 60, &[("CHAINRULE_PANIC", "1")], |_| ());
    }

    #[test]
    fn a_rank_that_stops_to_answer_is_given_up_and_the_run_goes_on_to_the_same_bytes() {
        for rank in [0, 1] {
            let by = format!("SIGSTOP of rank {rank}");
            interrupted(&by, 20, &[("CHAINRULE_RANKS_TIMEOUT", "1")], |job| {
                signal("-STOP", &process_of(job, rank));
            });
        }
    }

    /// Two ranks, the second with flags and kernels of its own.
    fn unlike(flags: &[&str], kernel: Option<&str>, out: &Path) -> Output {
        let common = "--epochs 1 --threads 1 --ranks 2";
        let mut command = mpirun();
        train(command.args(["-n", "1"]), common, out).args([":", "-n", "1", "env"]);
        command.args(kernel.map(|kernel| format!("CHAINRULE_KERNEL={kernel}")));
        train(&mut command, common, out).args(flags).output().unwrap()
    }

    #[test]
    fn ranks_that_differ_are_refused_with_rank_and_key() {
        for (flags, kernel, want) in [
            (&["--lr", "0.5"][..], None, "rank 1 differs from rank 0 in learning_rate: 0.5 there"),
            (&[], Some("portable"), "rank 1 differs from rank 0 in kernels: portable there"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let Output { status, stderr, .. } = unlike(flags, kernel, &folder.path().join("run"));
            let said = String::from_utf8(stderr).unwrap();
            assert!(!status.success() && said.contains(want), "{said}");
            assert_eq!(said.matches("error: ").count(), 1, "{said}");
        }
    }

    #[test]
    fn ranks_with_other_vector_kernels_come_to_the_same_bits() {
        let names: Vec<_> =
            chainrule_tensor::Isa::available().iter().map(|isa| isa.to_string()).collect();
        if !names.iter().any(|name| name == "avx512") {
            return; // there is one kind of vectors
        }
        let folder = tempfile::tempdir().unwrap();
        let (threads, out) = (folder.path().join("threads"), folder.path().join("unlike"));
        on_threads("--epochs 1", &threads);
        let Output { status, stderr, .. } = unlike(&[], Some("avx2"), &out);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        support::same(&threads, &out, "AVX2 beside AVX-512");
    }

    #[test]
    fn another_number_of_processes_than_ranks_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = mpirun();
        train(command.args(["-n", "2"]), "--ranks 3", &folder.path().join("run"));
        let Output { status, stderr, .. } = command.output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert!(!status.success());
        assert_eq!(said.matches("--ranks is 3, and 2 processes were started").count(), 1, "{said}");
    }
}
