//! `chainrule gradcheck`

/// Arguments of `chainrule gradcheck`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("chainrule gradcheck is not here yet")
}
