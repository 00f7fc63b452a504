//! `chainrule`: arguments in, one call, errors out.
//!
//! Each command has a file of its own under `commands/`, with its arguments and
//! a `run` that calls one of the library crates. An error is printed once, here.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Backpropagation by hand, and a neural network from scratch.
#[derive(Parser)]
#[command(name = "chainrule", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get CIFAR-10, and prove that it is whole
    Data(commands::data::Args),
    /// Train a network; writes a folder of results
    Train(Box<commands::train::Args>),
    /// Loss and accuracy of a saved model
    Eval(commands::eval::Args),
    /// What a saved model sees in your own pictures
    Predict(commands::predict::Args),
    /// A saved model in the format of other programs: ONNX, npz, safetensors
    Export(commands::export::Args),
    /// Whether two runs are the same, and if not, where they part
    Diff(commands::diff::Args),
    /// Check every derivative against centred differences, in f64
    Gradcheck(commands::gradcheck::Args),
    /// A formula as a computation graph: forward values, backward gradients
    Graph(commands::graph::Args),
    /// The assignment's problems 4.1 and 4.2, worked, in a folder of pages
    Assignment(commands::assignment::Args),
    /// Draw the curves of one or several runs
    Plot(commands::plot::Args),
    /// A run on one page: answer, curves, weights, mistakes, calibration; or several, compared
    Report(commands::report::Args),
}

fn main() -> ExitCode {
    let done = |result: anyhow::Result<()>| result.map(|()| ExitCode::SUCCESS);
    let result = match Cli::parse().command {
        Command::Data(args) => done(commands::data::run(args)),
        Command::Train(args) => commands::train::run(*args),
        Command::Eval(args) => done(commands::eval::run(args)),
        Command::Predict(args) => commands::predict::run(args),
        Command::Export(args) => done(commands::export::run(args)),
        Command::Diff(args) => commands::diff::run(args),
        Command::Gradcheck(args) => done(commands::gradcheck::run(args)),
        Command::Graph(args) => done(commands::graph::run(args)),
        Command::Assignment(args) => done(commands::assignment::run(args)),
        Command::Plot(args) => done(commands::plot::run(args)),
        Command::Report(args) => done(commands::report::run(args)),
    };
    match result {
        Ok(code) => code,
        // Whoever read our output has seen enough, as in `chainrule gradcheck | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
