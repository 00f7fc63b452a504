//! One run by several processes, joined by sockets in place of MPI: the files of a run on threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chainrule_nn::Norm;
use chainrule_tensor::comm::Transport;
use chainrule_tensor::comm::sockets::Sockets;
use chainrule_train::config::OptimizerName;
use chainrule_train::{
    Checkpoint, Config, Data, Error, Iteration, Observer, Processes, Quiet, fingerprint, resume_on,
    run, start_on,
};

/// Runs `program` as each of so many processes, and returns what became of each.
fn each_process<R: Send>(count: usize, program: impl Fn(&Processes, usize) -> R + Sync) -> Vec<R> {
    let program = &program;
    std::thread::scope(|scope| {
        let process = |socket: Sockets| {
            let number = socket.process();
            program(&Processes::joined(Arc::new(socket)), number)
        };
        let sockets = Sockets::loopback(count).unwrap();
        let all: Vec<_> = sockets.into_iter().map(|s| scope.spawn(move || process(s))).collect();
        all.into_iter().map(|process| process.join().unwrap()).collect()
    })
}

/// Where a process works: the first in `out`, and the others where there is nothing, so that it would
/// be seen if they wrote.
fn place(out: &Path, process: usize) -> PathBuf {
    if process == 0 { out.to_owned() } else { out.with_extension("nowhere") }
}

/// The network of the default, one with batch normalization and dropout, and one with layer
/// normalization and clipping.
fn configs() -> Vec<Config> {
    let short = Config { epochs: 2, threads: 1, validation: 100, ..Config::default() };
    vec![
        short.clone(),
        Config {
            hidden_dim: vec![60, 50, 40],
            norm: Norm::Batch,
            dropout: 0.2,
            optimizer: OptimizerName::Adam,
            learning_rate: 1e-3,
            ema_decay: Some(0.99),
            ..short.clone()
        },
        Config {
            hidden_dim: vec![60, 50],
            norm: Norm::Layer,
            clip_norm: Some(0.5),
            flip: true,
            ..short
        },
    ]
}

/// Asks to stop after some steps.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn iteration(&mut self, _: &Iteration) {
        self.0 = self.0.saturating_sub(1);
    }

    fn stop(&mut self) -> bool {
        self.0 == 0
    }
}

#[test]
fn a_run_on_any_number_of_processes_and_after_a_stop_is_that_on_threads() {
    let data = Data::sample();
    for config in &configs() {
        let folder = tempfile::tempdir().unwrap();
        let alone = folder.path().join("alone");
        run(&Config { threads: 2, ..config.clone() }, &data, &alone, &mut Quiet).unwrap();
        let want = fingerprint(&alone).unwrap();
        for (processes, threads) in [(2, 1), (3, 1), (2, 2)] {
            let out = folder.path().join(format!("{processes}x{threads}"));
            std::fs::create_dir(&out).unwrap();
            let config = Config { threads, ..config.clone() };
            let results = each_process(processes, |all, process| {
                start_on(all, &config, &data, &place(&out, process), &mut Quiet).unwrap().is_some()
            });
            let first: Vec<_> = (0..processes).map(|process| process == 0).collect();
            assert_eq!(results, first, "the first process alone has the result");
            assert_eq!(fingerprint(&out).unwrap(), want, "{processes} x {threads}");
            assert!(!place(&out, 1).exists(), "the others write nothing");
        }
        // Stopped on three processes in the middle of an epoch, and then on one alone at its first
        // step; it ends on two.
        let out = folder.path().join("stopped");
        std::fs::create_dir(&out).unwrap();
        let stopped = each_process(3, |all, process| {
            // What the other observers say does not count.
            let mut observer = StopAfter(if process == 0 { 3 } else { 1 });
            start_on(all, config, &data, &place(&out, process), &mut observer)
        });
        for stopped in stopped {
            assert!(matches!(stopped, Err(Error::Stopped { iteration: 3, .. })));
        }
        for (count, steps) in [(1, 1), (2, usize::MAX)] {
            let checkpoint = Checkpoint::load(&out).unwrap();
            each_process(count, |all, process| {
                let (out, mut observer) = (place(&out, process), StopAfter(steps));
                resume_on(all, checkpoint.clone(), config, &data, &out, &mut observer).is_ok()
            });
        }
        assert_eq!(fingerprint(&out).unwrap(), want, "after two stops");
    }
}

/// What became of a run in which process 1 has other settings or images than the first.
fn refusals(other: &Config, data: &Data) -> Vec<String> {
    let (config, sample) = (configs().swap_remove(0), Data::sample());
    let folder = tempfile::tempdir().unwrap();
    each_process(3, |all, process| {
        let (config, data) = if process == 1 { (other, data) } else { (&config, &sample) };
        start_on(all, config, data, &place(folder.path(), process), &mut Quiet)
            .unwrap_err()
            .to_string()
    })
}

#[test]
fn processes_that_would_not_come_to_the_same_bits_are_refused_with_rank_and_key() {
    let config = || configs().swap_remove(0);
    let mut images = Data::sample();
    let sets = &mut images.dataset;
    std::mem::swap(&mut sets.train, &mut sets.test);
    for (other, data, want) in [
        (
            Config { learning_rate: 0.02, ..config() },
            Data::sample(),
            "rank 1 differs from rank 0 in learning_rate: 0.02 there, ",
        ),
        (
            Config { threads: 2, ..config() },
            Data::sample(),
            "rank 1 differs from rank 0 in threads: 2 there, 1 here; all ranks need the same",
        ),
        (config(), images, "rank 1 differs from rank 0 in images (SHA-256): "),
        // Before they are compared: a setting that cannot work in one process ends all.
        (Config { batch_size: 0, ..config() }, Data::sample(), "batch_size"),
    ] {
        for (process, refusal) in refusals(&other, &data).iter().enumerate() {
            assert!(refusal.contains(want), "process {process}: {refusal}");
        }
    }
}

#[test]
fn ranks_without_work_are_refused() {
    let config = configs().swap_remove(0);
    let (data, folder) = (Data::sample(), tempfile::tempdir().unwrap());
    let refused = each_process(25, |all, process| {
        start_on(all, &config, &data, &place(folder.path(), process), &mut Quiet).unwrap_err()
    });
    let want = "there are 25 ranks, and the 3072 inputs of this network are 24 blocks: at most 24 \
                ranks have work";
    assert!(refused.iter().all(|error| error.to_string() == want), "{}", refused[0]);
}

#[test]
fn where_the_first_process_cannot_write_all_return_and_none_waits() {
    let config = configs().swap_remove(0);
    let (data, folder) = (Data::sample(), tempfile::tempdir().unwrap());
    let out = folder.path().join("missing").join("folder");
    let errors = each_process(2, |all, process| {
        start_on(all, &config, &data, &place(&out, process), &mut Quiet).unwrap_err()
    });
    assert!(errors[0].is_of_file(), "{}", errors[0]);
    assert_eq!(errors[1].to_string(), format!("rank 0: {}", errors[0]));
}
