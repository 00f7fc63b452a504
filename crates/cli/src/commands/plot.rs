//! `chainrule plot`

/// Arguments of `chainrule plot`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("chainrule plot is not here yet")
}
