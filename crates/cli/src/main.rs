//! `chainrule`: arguments in, one call, errors out.
//!
//! Each command has a file of its own under `commands/`, with its arguments and
//! a `run` that calls one of the library crates. An error is printed once, here.

#[macro_use]
mod shell;
mod commands;
mod ranks;

use std::process::ExitCode;
use std::time::Instant;

use chainrule_tensor::allocator::OrExit;
use clap::{CommandFactory, Parser, Subcommand};
use shell::verbosity::Verbosity;

/// A sentence and not an abort where the system gives no memory.
#[global_allocator]
static ALLOCATOR: OrExit = OrExit;

/// Backpropagation by hand, and a neural network from scratch.
#[derive(Parser)]
#[command(name = "chainrule", version, max_term_width = 100)]
struct Cli {
    /// Print only results, warnings and errors: no progress, no notes
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print details too: where files come from, and how long things take
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Download CIFAR-10, verify its checksums, or describe a set of images
    Data(commands::data::Args),
    /// Train a network; writes a folder of results
    Train(Box<commands::train::Args>),
    /// Train many runs with different settings, and rank them by validation accuracy
    Sweep(commands::sweep::Args),
    /// Measure loss and accuracy of a saved model
    Eval(commands::eval::Args),
    /// Classify your own pictures with a saved model
    Predict(commands::predict::Args),
    /// Export a saved model for other programs: ONNX, npz, safetensors
    Export(commands::export::Args),
    /// Make several networks one, whose scores are the mean of theirs
    Ensemble(commands::ensemble::Args),
    /// Describe a saved model, layer by layer (shapes, parameters, memory), or a set of images
    Describe(commands::describe::Args),
    /// Compare two runs: are they the same, and if not, where do they first differ
    Diff(commands::diff::Args),
    /// Train the published recipes on every kernel path of this machine: are the bits the published ones?
    VerifyBits(commands::verify_bits::Args),
    /// Check every derivative against centered differences, in f64
    Gradcheck(commands::gradcheck::Args),
    /// Draw a formula as a computation graph, with forward values and backward gradients
    Graph(commands::graph::Args),
    /// Write the worked answers to problems 4.1 and 4.2 of the assignment, as pages in a folder
    Assignment(commands::assignment::Args),
    /// Draw the curves of one or several runs
    Plot(commands::plot::Args),
    /// Write one page about a run (curves, weights, mistakes, calibration), or comparing several
    Report(commands::report::Args),
    /// Print the completion script for a shell
    Completions(commands::completions::Args),
    /// Write the manual pages
    Man(commands::man::Args),
}

fn main() -> ExitCode {
    let done = |result: anyhow::Result<()>| result.map(|()| ExitCode::SUCCESS);
    let Cli { quiet, verbose, command } = Cli::parse();
    shell::verbosity::set(match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, false) => Verbosity::Normal,
        (false, true) => Verbosity::Verbose,
    });
    let began = Instant::now();
    let run = || match command {
        Command::Data(args) => done(commands::data::run(args)),
        Command::Train(args) => commands::train::run(*args),
        Command::Sweep(args) => commands::sweep::run(args),
        Command::Eval(args) => done(commands::eval::run(args)),
        Command::Predict(args) => commands::predict::run(args),
        Command::Export(args) => done(commands::export::run(args)),
        Command::Ensemble(args) => done(commands::ensemble::run(args)),
        Command::Describe(args) => done(commands::describe::run(args)),
        Command::Diff(args) => commands::diff::run(args),
        Command::VerifyBits(args) => commands::verify_bits::run(args),
        Command::Gradcheck(args) => done(commands::gradcheck::run(args)),
        Command::Graph(args) => done(commands::graph::run(args)),
        Command::Assignment(args) => done(commands::assignment::run(args)),
        Command::Plot(args) => done(commands::plot::run(args)),
        Command::Report(args) => done(commands::report::run(args)),
        Command::Completions(args) => done(commands::completions::run(args, Cli::command())),
        Command::Man(args) => done(commands::man::run(args, Cli::command())),
    };
    let result =
        shell::signals::let_writes_fail().map_err(anyhow::Error::from).and_then(|()| run());
    detail!("time: {:.2} s", began.elapsed().as_secs_f64());
    let code = match result {
        Ok(code) => code,
        // Whoever read our output has seen enough, as in `chainrule gradcheck | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if ranks::prints_errors() {
                let sentence = format!("{error:#}{}", commands::hint::of(&error));
                eprintln!("error: {}", shell::quoting::printable(&sentence));
            }
            ranks::leave(false);
            return ExitCode::FAILURE;
        }
    };
    ranks::leave(true);
    code
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that does something, with its whole name.
    fn leaves(command: clap::Command) -> Vec<clap::Command> {
        let subcommands: Vec<_> =
            command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
        if subcommands.is_empty() {
            return vec![command];
        }
        subcommands.into_iter().flat_map(leaves).collect()
    }

    /// The words of an example, up to the remark behind it, as a shell would part them.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (at, part) in line.split('\'').enumerate() {
            if at % 2 == 1 {
                words.push(part.to_owned());
            } else {
                let part = part.split(" > ").next().unwrap_or_default();
                let (part, remark) = part.trim_start().split_once("   ").unwrap_or((part, ""));
                words.extend(part.split_whitespace().map(str::to_owned));
                if !remark.is_empty() {
                    break;
                }
            }
        }
        words
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_each_command_has_examples_and_each_is_a_right_command_line() {
        for command in leaves(Cli::command()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.split_once("Examples:\n").map_or("", |(_, rest)| rest);
            let lines: Vec<_> =
                examples.lines().take_while(|line| line.starts_with("  ")).collect();
            assert!(!lines.is_empty(), "`{}` has no example", command.get_name());
            for line in lines {
                if let Err(error) = Cli::try_parse_from(words(line)) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}
