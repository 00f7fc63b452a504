//! `chainrule man`: the manual pages, one for each command.

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::Resettable;
use clap_mangen::Man;

use super::write_whole;

/// Arguments of `chainrule man`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule man -o ~/.local/share/man/man1             then: man chainrule-train")]
pub struct Args {
    /// The folder for chainrule.1, chainrule-train.1 and the others; it is created if needed
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Writes a page for `command` and for each of its subcommands.
pub fn run(args: Args, mut command: clap::Command) -> anyhow::Result<()> {
    command.build(); // gives every subcommand its whole name
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("{} could not be made", args.output.display()))?;
    let mut pages = vec![command];
    while let Some(command) = pages.pop() {
        let shown = |sub: &&clap::Command| !sub.is_hide_set() && sub.get_name() != "help";
        pages.extend(command.get_subcommands().filter(shown).cloned());
        let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let man = Man::new(command.after_help(Resettable::Reset))
            .source(concat!("Chainrule ", env!("CARGO_PKG_VERSION")))
            .manual("Chainrule");
        let mut page = Vec::new();
        man.render(&mut page)?;
        page.extend(as_written(&notes).into_bytes());
        let file = args.output.join(man.get_filename());
        write_whole(&file, &page)?;
        say!("{}", file.display());
    }
    Ok(())
}

/// The notes below a command's help as a section whose lines stay as they are, which commands must.
fn as_written(notes: &str) -> String {
    let (title, text) = match notes.strip_prefix("Examples:\n") {
        Some(examples) => ("EXAMPLES", examples),
        None if notes.is_empty() => return String::new(),
        None => ("NOTES", notes),
    };
    // A dot or a quotation mark that begins a line would be an order to the typesetter.
    let line = |line: &str| format!("\\&{}\n", line.replace('\\', "\\e").replace('-', "\\-"));
    format!(".SH {title}\n.nf\n{}.fi\n", text.lines().map(line).collect::<String>())
}
