//! `chainrule data`

/// Arguments of `chainrule data`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("chainrule data is not here yet")
}
