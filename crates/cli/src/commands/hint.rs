//! What a person can do about an error of a library: these state facts, and only here are flags named.

use chainrule_data::Error;
use chainrule_graph::CircuitError;

/// What helps against an error, as its sentence goes on; nothing, if nothing is known to.
pub fn of(error: &anyhow::Error) -> &'static str {
    if let Some(CircuitError::Names(error)) = error.downcast_ref() {
        let only_values_lack = !error.without_value.is_empty() && error.without_variable.is_empty();
        return if only_values_lack { " after --at" } else { "" };
    }
    let of_train = error.downcast_ref::<chainrule_train::Error>();
    if let Some(chainrule_train::Error::OtherImages(_)) = of_train {
        return "; put those of the run back, name their folder with --data-dir, or go on all the same \
                with --allow-other-images";
    }
    if let Some(hint) =
        of_train.and_then(of_run).or_else(|| error.downcast_ref().and_then(of_folder))
    {
        return hint;
    }
    let found =
        error.chain().find_map(|cause| match cause.downcast_ref::<chainrule_train::Error>() {
            Some(chainrule_train::Error::Data(error)) => Some(error),
            _ => cause.downcast_ref::<Error>(),
        });
    found.map_or("", of_data)
}

/// What helps against an error of a run.
fn of_run(error: &chainrule_train::Error) -> Option<&'static str> {
    match error {
        chainrule_train::Error::Run(error) => of_folder(error),
        chainrule_train::Error::OtherSweep { .. } => Some(", which --out names"),
        chainrule_train::Error::OtherRun { .. } => Some("; --out names another folder"),
        // Before the first step it is not the size of a step.
        chainrule_train::Error::Diverged { iteration: 0, .. } => {
            Some("; try a smaller --weight-scale")
        }
        chainrule_train::Error::Diverged { .. } => Some("; try a smaller --learning-rate"),
        _ => None,
    }
}

/// What helps against an error of a run's folder.
fn of_folder(error: &chainrule_runs::Error) -> Option<&'static str> {
    use chainrule_runs::Error::{FolderTaken, NotAFolder};
    matches!(error, FolderTaken(_) | NotAFolder(_)).then_some("; --out names another folder")
}

/// What helps against an error of the images.
pub fn of_data(error: &Error) -> &'static str {
    match error {
        Error::Missing { .. } => ": `chainrule data fetch` gets it",
        Error::Length { .. } | Error::Checksum { .. } => ": `chainrule data fetch` replaces it",
        Error::Broken { .. } => "; --skip-broken leaves broken pictures out",
        Error::Sizes { .. } => {
            ": --resize 32 makes all of them 32 x 32, and --resize 64x48 wider than high"
        }
        Error::Memory { .. } => ": --resize brings them to a smaller size",
        Error::OneSize { .. } => ": leave --resize out",
        _ => "",
    }
}
