//! `chainrule eval`

/// Arguments of `chainrule eval`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("chainrule eval is not here yet")
}
