//! `chainrule train`: train a network and write a folder of results.

mod conclude;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use chainrule_runs::folder::CONFIG;
use chainrule_tensor::Kernel;
use chainrule_train::config::{Flags, lay};
use chainrule_train::{
    Checkpoint, Config, Data, Error, Finished, Found, Observer, Processes, Quiet, RunFolder,
    Summary, announce, look, restart, resume_on, start_on,
};

use super::images::load;
use super::report::{Subject, are_drawn, draw};
use super::serve::Server;
use crate::ranks;
use crate::shell::quoting::{program, quoted};
use conclude::conclude;
use terminal::Terminal;

/// Arguments of `chainrule train`.
#[derive(clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  chainrule train                                    100 hidden units, 10 epochs
  chainrule train --hidden-dim 512,256 --epochs 20   two hidden layers
  chainrule train --hidden-dim 0                     the linear softmax classifier
  chainrule train --data sample                      1,000 built-in images, no download
  chainrule train --data images:photos --resize 32   photos/cat/1.jpg, photos/dog/2.png, ...
  chainrule train --data datasets/mnist              the four files of MNIST, packed or not
  chainrule train --flip --shift 2 --tta flips       mirror images in training and in the test
  chainrule train --hidden-dim 512,256 --check       is this network worth a long run?
  chainrule train --hidden-dim 512,256 --find-lr     draw the loss over the learning rate
  chainrule train --optimizer adam --lr 3e-4         another optimizer and learning rate
  chainrule train --recipe results/run-001/config.toml --seed 1
  chainrule train --recipe recipes/augmented.toml --no-flip
  chainrule train --resume results/run-001           resume after a stop, a crash or a power cut
  chainrule train --resume results/run-001 --epochs 20         more epochs
  chainrule train --out results/job --autoresume     begin, or resume: the command of a job queue
  chainrule train --epochs 100 --serve               watch it in a browser
  chainrule train --hidden-dim 4096 --ranks 1        one run by several processes: docs/cluster.md
"
)]
pub struct Args {
    /// Recipe: a TOML file of settings, named like these flags with underscores; flags override it
    #[arg(long, alias = "config", value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Resume the run in this folder, with its settings; a larger --epochs trains it further
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "init_from", "recipe"])]
    resume: Option<PathBuf>,
    /// The folder for the results, new or empty [default: results/run-001 or the next free number]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Begin the run in --out, or resume it if it was interrupted there; a finished one ends at once,
    /// and one with other settings is refused
    #[arg(long, requires = "out", conflicts_with_all = ["resume", "check", "find_lr"])]
    autoresume: bool,
    /// Check the network instead of training it: its initial loss, its gradient, the size of its
    /// steps, and whether it can overfit 50 images; exit code 1 if a check fails
    #[arg(long, conflicts_with_all = ["find_lr", "resume", "out"])]
    check: bool,
    /// Find a learning rate instead of training: raise it until the loss diverges, and draw the loss
    /// into --out [default: results/lr-finder]
    #[arg(long, conflicts_with = "resume")]
    find_lr: bool,
    /// Train as one of this number of processes, which `mpirun -n N` or `srun -n N` has started; needs
    /// a build with the feature `mpi`
    #[arg(long, value_name = "N", conflicts_with_all = ["check", "find_lr"],
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    ranks: Option<usize>,
    /// Show the run in a browser while it trains, at this port of this machine
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8017")]
    serve: Option<u16>,
    /// Print only the summary, as JSON, on standard output
    #[arg(long)]
    json: bool,
    /// The settings.
    #[command(flatten)]
    settings: Flags,
}

impl Args {
    /// The recipe's settings, or the defaults, with the flags laid over them.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let recipe = self.recipe.as_deref().map(Config::given_in_file).transpose()?;
        self.over(recipe.unwrap_or_default())
    }

    /// Settings with the flags laid over them.
    fn over(&self, mut given: toml::Table) -> anyhow::Result<Config> {
        lay(&mut given, self.settings.0.clone());
        Ok(Config::from_table(given)?)
    }

    fn gives(&self, key: &str) -> bool {
        self.settings.0.contains_key(key)
    }
}

/// Runs the command; a run that a signal stopped ends with the shell's usual code.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.check || args.find_lr {
        let config = args.config()?;
        check(&config)?;
        let data = load(&config)?;
        return match args.check {
            true => super::check::run(&config, &data, args.json),
            false => super::find_lr::run(&config, &data, args.out.as_deref(), args.json),
        };
    }
    let processes = ranks::join(args.ranks)?;
    if !processes.is_first() {
        return assist(&args, &processes);
    }
    let mut observer = Terminal::new();
    let server = args.serve.map(Server::bind).transpose()?; // before a folder is made
    let place = processes.agree(place(&args))?;
    tell(&processes, &place)?;
    let (folder, config, from) = match place {
        Place::Run(folder, config, from) => (folder, *config, from),
        Place::Finished(summary, out) => return already_finished(&args, &summary, &out),
    };
    let is_new = matches!(from, From::New);
    let leave = |folder: RunFolder, error: anyhow::Error| {
        if is_new {
            folder.abandon();
        }
        error
    };
    let began = Instant::now();
    let announced = check(&config).and_then(|()| {
        if !matches!(from, From::Checkpoint(_)) {
            announce(&config, &folder)?;
        }
        config.init_from.as_deref().map(super::model::open).transpose()?;
        config.teacher.as_deref().map(super::model::open).transpose()?;
        Ok(())
    });
    let prepared = processes.agree(announced);
    let data = match prepared.and_then(|()| processes.first_then_others(|| load(&config))) {
        Ok(data) => data,
        Err(error) => return Err(leave(folder, error)),
    };
    detail!("images: {}, read in {:.2} s", data.source, began.elapsed().as_secs_f64());
    note_what_has_no_effect(&args, &config);
    note_what_the_data_change(&args, &config, &data);
    let live = server.map(|server| server.start(folder.path())).transpose()?;
    observer.signals.listen()?;
    ranks::hear_signals()?;
    let out = folder.path();
    let result = go_on(&processes, from, &config, &data, out, &mut observer);
    let code = observer.signals.exit_code();
    drop(observer);
    let finished = match result {
        Ok(finished) => finished.expect("the first process has the result"),
        Err(Error::Stopped { iteration, folder }) => {
            let epochs = Checkpoint::load(&folder)?.state.at.epoch;
            let are = if epochs == 1 { "epoch is" } else { "epochs are" };
            eprintln!("\nStopped after iteration {iteration}; {epochs} {are} complete.");
            let folder = quoted(&folder.to_string_lossy());
            eprintln!("To resume: {} train --resume {folder}", program());
            return Ok(code);
        }
        Err(error @ Error::Complete { .. }) => {
            let again = format!("{} train --resume {}", program(), quoted(&out.to_string_lossy()));
            bail!("{error}; once this is mended, `{again}` writes what is missing");
        }
        Err(error) if error.is_of_file() => {
            let error = advise(error, out);
            return Err(leave(folder, error));
        }
        Err(error) => return Err(leave(folder, error.into())),
    };
    let summary = finished.summary.clone();
    let drawn = draw(&Subject::of(out, finished), &data);
    if let Some(live) = live {
        live.finish(out);
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        conclude(&summary, out)?;
    }
    drawn.map(|()| ExitCode::SUCCESS)
}

/// From where a run trains.
enum From {
    /// From its beginning, in a folder that it has made.
    New,
    /// From its beginning: it was killed when it had written no more than its settings.
    Settings,
    Checkpoint(Box<Checkpoint>),
}

/// Where a run trains, with which settings, and from where.
enum Place {
    Run(RunFolder, Box<Config>, From),
    /// The run of `--autoresume` is complete, in this folder.
    Finished(Box<Summary>, PathBuf),
}

/// Opens or makes the folder that the arguments name.
fn place(args: &Args) -> anyhow::Result<Place> {
    if let Some(out) = &args.resume {
        let folder = RunFolder::open(out)?;
        let (begun, from) = match Checkpoint::load(out) {
            Ok(checkpoint) => {
                note_edited_settings(&checkpoint.state.config, out);
                (checkpoint.state.config.clone(), From::Checkpoint(checkpoint.into()))
            }
            Err(error) if error.is_no_run() => (restart(&folder)?, From::Settings),
            Err(error) => return Err(error.into()),
        };
        let config = args.over(begun.to_table())?;
        return Ok(Place::Run(folder, config.into(), from));
    }
    let config = Box::new(args.config()?);
    config.check()?; // before a folder is made
    let Some(out) = &args.out else {
        return Ok(Place::Run(RunFolder::next_free(Path::new("results"))?, config, From::New));
    };
    if !args.autoresume {
        return Ok(Place::Run(RunFolder::create(out)?, config, From::New));
    }
    let folder = RunFolder::create_or_open(out)?;
    Ok(match look(&folder, &config)? {
        Found::Nothing => Place::Run(folder, config, From::New),
        Found::Begun(checkpoint) => Place::Run(folder, config, From::Checkpoint(checkpoint)),
        Found::Finished(summary) if are_drawn(out) => Place::Finished(summary, out.clone()),
        Found::Finished(summary) => match Checkpoint::load(out) {
            Ok(checkpoint) => Place::Run(folder, config, From::Checkpoint(checkpoint.into())),
            Err(_) => Place::Finished(summary, out.clone()),
        },
    })
}

/// What can be said before images are read: whether the settings fit together, and whether this
/// processor has the kernel that is asked for.
fn check(config: &Config) -> anyhow::Result<()> {
    config.check()?;
    Kernel::from_environment(config.precision)?;
    Ok(())
}

/// The part of a process that is not the first: it writes nothing and prints nothing.
fn assist(args: &Args, processes: &Processes) -> anyhow::Result<ExitCode> {
    processes.agree::<_, anyhow::Error>(Ok(()))?;
    let Some((out, config, from)) = hear(args, processes)? else { return Ok(ExitCode::SUCCESS) };
    processes.agree(check(&config))?;
    let data = processes.first_then_others(|| load(&config))?;
    ranks::hear_signals()?;
    match go_on(processes, from, &config, &data, &out, &mut Quiet) {
        Ok(_) | Err(Error::Stopped { .. }) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

/// Trains from where the run stands.
fn go_on(
    processes: &Processes,
    from: From,
    config: &Config,
    data: &Data,
    out: &Path,
    observer: &mut dyn Observer,
) -> Result<Option<Finished>, Error> {
    match from {
        From::Checkpoint(checkpoint) => {
            resume_on(processes, *checkpoint, config, data, out, observer)
        }
        From::New | From::Settings => start_on(processes, config, data, out, observer),
    }
}

/// Tells the other processes where the run trains, and from where: they [`hear`].
fn tell(processes: &Processes, place: &Place) -> anyhow::Result<()> {
    let (what, out, config) = match place {
        Place::Finished(..) => ("finished", Path::new(""), None),
        Place::Run(folder, _, From::New) => ("new", folder.path(), None),
        Place::Run(folder, config, From::Settings) => ("settings", folder.path(), Some(config)),
        Place::Run(folder, _, From::Checkpoint(_)) => ("checkpoint", folder.path(), None),
    };
    ranks::set_folder(out);
    if processes.count() == 1 {
        return Ok(());
    }
    let checkpoint = match what {
        "checkpoint" => std::fs::read(Checkpoint::path(out)).map_err(anyhow::Error::from),
        _ => Ok(vec![]),
    };
    let checkpoint = processes.agree(checkpoint)?;
    let out = out.to_string_lossy().into_owned();
    let settings = config.map(|config| config.to_table().to_string()).unwrap_or_default();
    for text in [what.to_owned(), out, settings] {
        processes.broadcast(text.into_bytes());
    }
    processes.broadcast(checkpoint);
    Ok(())
}

/// What the first process [`tell`]s, with the flags of this one; nothing if the run is finished.
fn hear(args: &Args, processes: &Processes) -> anyhow::Result<Option<(PathBuf, Config, From)>> {
    processes.agree::<_, anyhow::Error>(Ok(()))?;
    let [what, out, settings] =
        [(); 3].map(|()| String::from_utf8_lossy(&processes.broadcast(vec![])).into_owned());
    let checkpoint = processes.broadcast(vec![]);
    let config = || {
        Ok(match what.as_str() {
            "new" => (args.config()?, From::New),
            "settings" => (args.over(toml::from_str(&settings)?)?, From::Settings),
            _ => {
                let checkpoint = Checkpoint::parse(&checkpoint).map_err(anyhow::Error::msg)?;
                let begun = checkpoint.state.config.to_table();
                (args.over(begun)?, From::Checkpoint(checkpoint.into()))
            }
        })
    };
    if what == "finished" {
        return Ok(None);
    }
    ranks::set_folder(Path::new(&out));
    let (config, from) = match config() {
        Ok(found) => found,
        Err(error) => return processes.agree(Err(error)),
    };
    Ok(Some((out.into(), config, from)))
}

/// Says that there is nothing left to do.
fn already_finished(args: &Args, summary: &Summary, out: &Path) -> anyhow::Result<ExitCode> {
    if args.json {
        say!("{}", serde_json::to_string_pretty(summary)?);
    } else {
        let accuracy = 100.0 * summary.test_accuracy;
        say!("The run in {} is finished: test accuracy {accuracy:.2} %.", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Settings in `config.toml` that the run does not have: its checkpoint decides.
fn note_edited_settings(begun: &Config, out: &Path) {
    let path = out.join(CONFIG);
    let Ok(written) = Config::from_file(&path) else { return };
    for difference in written.differences(begun, &[]) {
        note!(
            "note: in {} {difference} in the checkpoint: the run goes on as the checkpoint says",
            path.display()
        );
    }
}

/// Settings that were asked for and have no effect with the others.
fn note_what_has_no_effect(args: &Args, config: &Config) {
    let settings = config.to_table();
    for (setting, other) in config.unused() {
        if args.gives(setting) {
            let value = settings.get(other).map_or("none".into(), toml::Value::to_string);
            note!("note: {setting} has no effect with {other} = {value}");
        }
    }
}

/// Settings that were asked for and that these images cannot have.
fn note_what_the_data_change(args: &Args, config: &Config, data: &Data) {
    let validation = data.validation(config.validation);
    if args.gives("validation") && validation < config.validation {
        note!(
            "note: {} are more than half of the images: a tenth validates, {validation}",
            config.validation
        );
    }
    let batch = data.batch_size(config.batch_size, validation);
    if batch < config.batch_size {
        note!(
            "note: there are {batch} images to train on, and the batch size is {}: each step takes \
             all {batch}",
            config.batch_size
        );
    }
}

/// What to do after a disk has failed or is full: go on from the last checkpoint.
fn advise(error: Error, out: &Path) -> anyhow::Error {
    match Checkpoint::load(out) {
        Ok(checkpoint) => anyhow::anyhow!(
            "{error}; the checkpoint of iteration {} is whole, and once this is mended \
             `{} train --resume {}` goes on from there",
            checkpoint.state.at.iteration,
            program(),
            quoted(&out.to_string_lossy())
        ),
        Err(_) => error.into(),
    }
}
