//! What a coverage-guided fuzzer needs of a target: one input tried, and where to begin.

use std::io;

use anyhow::Context;

use crate::layers::Layer;
use crate::{TARGETS, Target};

/// A target, and the layer that its inputs are the content of, if there is one.
pub struct Way {
    target: &'static Target,
    layer: Option<&'static Layer>,
}

impl Way {
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
        let mut files = self.target.seeds()?;
        files.extend(self.target.corpus()?);
        Ok(match self.layer {
            None => files,
            Some(layer) => {
                let open = |(name, bytes): (String, Vec<u8>)| Some((name, (layer.open)(&bytes)?));
                files.into_iter().filter_map(open).collect()
            }
        })
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
}
