//! `chainrule completions`: what a shell needs to complete the command line.

use std::io::Write;

use clap_complete::Shell;

/// Arguments of `chainrule completions`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule completions bash > ~/.local/share/bash-completion/completions/chainrule
  chainrule completions zsh > ~/.zfunc/_chainrule      with fpath+=~/.zfunc before compinit in ~/.zshrc
  chainrule completions fish > ~/.config/fish/completions/chainrule.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of `command`.
pub fn run(args: Args, mut command: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "chainrule", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}
