//! `chainrule graph`

/// Arguments of `chainrule graph`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("chainrule graph is not here yet")
}
