//! The readers as afl-fuzz drives them: `crates/fuzz/guided.sh` builds and runs it.
//!
//! - `guided TARGET [LAYER]` feeds the target what afl-fuzz hands over; with a layer, the input is
//!   the content of a file, which is closed first.
//! - `guided --ways` lists the targets, alone and with their last layers.
//! - `guided --prepare DIR TARGET [LAYER]` writes what a campaign starts from: `DIR/seeds/` and the
//!   words of the format, `DIR/words.dict`.
//! - `guided --blind DIR FIRST LAST TARGET [LAYER]` writes the inputs FIRST to LAST - 1 that the blind
//!   mutator makes, for `crates/fuzz/compare.sh`.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use chainrule_fuzz::{TARGETS, guided};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--ways"] => {
            for target in &TARGETS {
                println!("{}", target.name);
                if let Some(layer) = target.layers.last() {
                    println!("{} {}", target.name, layer.name);
                }
            }
            Ok(())
        }
        ["--prepare", folder, target, ref layer @ ..] if layer.len() < 2 => {
            let way = guided::Way::find(target, layer.first().copied())?;
            let (folder, seeds) = (Path::new(folder), Path::new(folder).join("seeds"));
            fs::create_dir_all(&seeds).with_context(|| seeds.display().to_string())?;
            for (name, bytes) in way.inputs()? {
                fs::write(seeds.join(name), bytes)?;
            }
            Ok(fs::write(folder.join("words.dict"), way.dictionary())?)
        }
        ["--blind", folder, first, last, target, ref layer @ ..] if layer.len() < 2 => {
            let way = guided::Way::find(target, layer.first().copied())?;
            let first: u64 = first.parse()?;
            for (input, number) in way.mutated(first..last.parse()?)?.iter().zip(first..) {
                fs::write(Path::new(folder).join(number.to_string()), input)?;
            }
            Ok(())
        }
        [target, ref layer @ ..] if layer.len() < 2 => {
            let way = guided::Way::find(target, layer.first().copied())?;
            afl::fuzz(true, |bytes| way.run(bytes));
            Ok(())
        }
        _ => bail!(
            "guided TARGET [LAYER], or guided --ways, or guided --prepare DIR TARGET [LAYER], or \
             guided --blind DIR FIRST LAST TARGET [LAYER]"
        ),
    }
}
