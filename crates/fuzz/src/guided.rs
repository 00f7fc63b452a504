//! What a coverage-guided fuzzer needs of a target: one input tried, and where to begin.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use flate2::read::GzDecoder;

use crate::layers::Layer;
use crate::{Mutator, TARGETS, Target, campaign};

/// A target, and the layer that its inputs are the content of, if there is one.
pub struct Way {
    target: &'static Target,
    layer: Option<&'static Layer>,
}

impl Way {
    /// The targets as they are, and each of their layers.
    pub fn all() -> impl Iterator<Item = Way> {
        TARGETS.iter().flat_map(|target| {
            let layers = target.layers.iter().map(Some);
            std::iter::once(None).chain(layers).map(move |layer| Way { target, layer })
        })
    }

    /// The target of this name and its layer of this name.
    ///
    /// # Errors
    /// If there is none; the message lists those that there are.
    pub fn find(target: &str, layer: Option<&str>) -> anyhow::Result<Way> {
        let names = TARGETS.map(|target| target.name).join(", ");
        let found = TARGETS.iter().find(|known| known.name == target);
        let target = found.with_context(|| format!("no target {target}: there are {names}"))?;
        let find = |name| {
            let names: Vec<_> = target.layers.iter().map(|layer| layer.name).collect();
            let found = target.layers.iter().find(|layer| layer.name == name);
            found
                .with_context(|| format!("no layer {name} of {}: there are {names:?}", target.name))
        };
        Ok(Way { target, layer: layer.map(find).transpose()? })
    }

    /// Feeds an input to the target. Panics where that does.
    pub fn run(&self, input: &[u8]) {
        match self.layer {
            Some(layer) => (self.target.run)(&(layer.close)(input)),
            None => (self.target.run)(input),
        };
    }

    /// Names and inputs to begin with: the seeds, or what the layer finds in them, and the corpus.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn inputs(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.seeds()?.into_iter().chain(self.corpus()?).collect())
    }

    fn seeds(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let open = |bytes: Vec<u8>| match self.layer {
            None => Some(bytes),
            Some(layer) => (layer.open)(&bytes),
        };
        let seeds = self.target.seeds()?.into_iter();
        Ok(seeds.filter_map(|(name, bytes)| Some((name, open(bytes)?))).collect())
    }

    /// The inputs of these numbers that the [`Mutator`] makes of the seeds, without a look at the code:
    /// what guided ones are compared with.
    ///
    /// # Errors
    /// If the seeds cannot be read.
    pub fn mutated(&self, numbers: Range<u64>) -> io::Result<Vec<Vec<u8>>> {
        let seeds: Vec<_> = self.seeds()?.into_iter().map(|(_, bytes)| bytes).collect();
        let words: Vec<_> = self.target.words.split('|').filter(|word| !word.is_empty()).collect();
        let mutator = Mutator { seeds: &seeds, words: &words, most: campaign::MOST };
        Ok(numbers.map(|number| mutator.input(number)).collect())
    }

    /// Names and inputs that guided fuzzing left: few that take every branch that it found, and those
    /// that once did harm. They are packed as `corpus/TARGET.tar.gz` or `corpus/TARGET-LAYER.tar.gz`.
    ///
    /// # Errors
    /// If the archive cannot be read; without one there is no corpus.
    pub fn corpus(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let layer = self.layer.map(|layer| format!("-{}", layer.name)).unwrap_or_default();
        let packed = match File::open(folder.join(format!("{}{layer}.tar.gz", self.target.name))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            packed => packed?,
        };
        let mut archive = tar::Archive::new(GzDecoder::new(packed));
        let mut inputs = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            inputs.push((entry.path()?.display().to_string(), bytes));
        }
        Ok(inputs)
    }

    /// The words of the format, as afl-fuzz's option `-x` reads them: one in quotes on each line,
    /// bytes that are no letters and digits in hexadecimal.
    pub fn dictionary(&self) -> String {
        let byte = |byte: u8| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        let words = self.target.words.split('|').filter(|word| !word.is_empty());
        // Longer ones are refused.
        let words = words.filter(|word| word.len() <= 128);
        words.map(|word| format!("\"{}\"\n", word.bytes().map(byte).collect::<String>())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_holds_every_word_with_its_odd_bytes_in_hexadecimal() {
        let way = Way::find("bmp", None).unwrap();
        assert!(way.dictionary().starts_with("\"BM\"\n\"\\x28\\x00\\x00\\x00\"\n"));
        let error = Way::find("bmp", Some("gzip")).err().unwrap().to_string();
        assert_eq!(error, "no layer gzip of bmp: there are []");
        assert!(Way::find("pmb", None).err().unwrap().to_string().contains("there are model, "));
    }

    #[test]
    fn mutated_inputs_are_the_same_in_one_piece_and_in_two() {
        let way = Way::find("archive", Some("tar")).unwrap();
        let all = way.mutated(0..4).unwrap();
        assert_eq!(all.len(), 4);
        assert_eq!(all[2..], way.mutated(2..4).unwrap());
        assert_ne!(all[..2], all[2..]);
    }
}
