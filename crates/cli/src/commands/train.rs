//! `chainrule train`

/// Arguments of `chainrule train`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("chainrule train is not here yet")
}
