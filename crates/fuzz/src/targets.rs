//! The readers, and what each is held to beside not panicking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chainrule_data::cifar10::{self, RECORD};
use chainrule_data::fetch::hostile;
use chainrule_data::{Shape, cifar100, idx, picture, place};
use chainrule_graph::{Formula, Gates, draw, values};
use chainrule_report::{Confusion, Report, Run, curves, page};
use chainrule_train::{Checkpoint, Config, ModelFile, Sweep, diff};

use crate::layers::{GZIP, Layer, PNG_CHUNKS, PNG_ROWS, SAFETENSORS_HEADER, TAR};

/// A reader under attack.
pub struct Target {
    /// What it is called: `--target NAME`, and the folder of its seeds.
    pub name: &'static str,
    /// Reads an input; says whether it was taken. Panics where it does harm.
    pub run: fn(&[u8]) -> bool,
    /// Ways behind its checksums.
    pub layers: &'static [Layer],
    /// Words of its format, a `|` between them.
    pub words: &'static str,
}

/// All of them.
pub const TARGETS: [Target; 21] = [
    Target {
        name: "model",
        run: model,
        layers: &[SAFETENSORS_HEADER],
        words: "fc1.weight|fc1.bias|fc2.weight|fc3.bias|input.mean|input.std|F32|F16|I64|BF16|F4|shape|[0]|\
                [1]|[3,12]|[18446744073709551615]|data_offsets|[0,0]|[0,4]|__metadata__|sha256|null|{}|\
                \"|,|:{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}|[[[[[[[[|-1|1e9",
    },
    Target {
        name: "recipe",
        run: recipe,
        layers: &[],
        words: "hidden_dim|learning_rate|lr_decay|batch_size|epochs|reg|momentum|weight_scale|normalize|\
                \"pixel\"|\"channel\"|validation|seed|shuffle|max_steps|threads|init_from|teacher|data|\"sample\"|\
                data_dir|[provenance]\n| = |\n|true|inf|nan|-0|1e308|0x7f|1_000|[|]|{a=|}|\
                a.a.a.a.a.a.a.a.|'''|\"\"\"|\\u0000|#|[[a]]\n|9223372036854775807|\
                1979-05-27T07:32:00Z|\r",
    },
    Target {
        name: "checkpoint",
        run: checkpoint,
        layers: &[SAFETENSORS_HEADER],
        words: "model.fc1.weight|model.fc1.bias|velocity.fc1.weight|best.fc1.bias|squares.|average.|\
                input.mean|input.std|F32|[0]|[2,3]|data_offsets|__metadata__|state|widths = [3, 2]|\
                hidden_dim = []|format = 1|ema_decay = 0.9|[config]|[plateau]|\\n",
    },
    Target {
        name: "sweep",
        run: sweep,
        layers: &[],
        words: "[grid]\n|[random]\n|seeds = 3\n|seed = 1\n|runs = 10\n|recipe = |hidden_dim|\
                learning_rate|reg|batch_size|epochs|momentum|activation|{ uniform = [0, 1] }|\
                { log_uniform = [1e-3, 1] }|{ integers = [1, 9] }|{ choice = [1, 2] }|log_integers|\
                [0.1, 0.2]|[[], [10], [10, 10]]|true|inf|nan|-0|9223372036854775807|#|\"\"\"",
    },
    Target { name: "cifar", run: cifar, layers: &[], words: "" },
    Target { name: "cifar100", run: fine_cifar, layers: &[], words: "" },
    Target {
        name: "python",
        run: python,
        layers: &[],
        words: "data|labels|fine_labels|coarse_labels|cnumpy\nndarray\n|c_codecs\nencode\n|cposix\nsystem\n|\
                u1|<i8|(|)|]|}|.|R|b|e|u|t|q\0|h\0|N|\u{2}",
    },
    Target {
        name: "idx",
        run: arrays,
        layers: &[],
        words: "\0\0\u{8}\u{1}|\0\0\u{8}\u{3}|\0\0\0\u{1}|\0\0\0\u{2}|\0\0\0\u{1c}|\0\0\0\0|%%\n|\
                \u{7f}\u{7f}\u{7f}\u{7f}|\0\u{1}\0\0",
    },
    Target {
        name: "png",
        run: photo,
        layers: &[PNG_CHUNKS],
        words: "IHDR|IDAT|IEND|PLTE|tRNS|gAMA|cHRM|sRGB|iCCP|eXIf|acTL|Exif\0\0|MM\0*|II*\0|\0\0\0\0|\0\0\0\u{1}",
    },
    Target {
        name: "jpeg",
        run: photo,
        layers: &[],
        words: "Exif\0\0|JFIF\0|Adobe\0|MM\0*|II*\0|\u{1}|\u{4}",
    },
    Target {
        name: "webp",
        run: photo,
        layers: &[],
        words: "RIFF|WEBPVP8 |VP8L|VP8X|ALPH|ANIM|ANMF|EXIF|XMP |ICCP",
    },
    Target {
        name: "bmp",
        run: photo,
        layers: &[],
        words: "BM|(\0\0\0|\u{1}\0\u{4}\0|\u{1}\0\u{8}\0|\0\0\0\0",
    },
    Target { name: "gif", run: photo, layers: &[], words: "GIF87a|GIF89a|!|,|;|NETSCAPE2.0|\0\0" },
    Target {
        name: "tiff",
        run: photo,
        layers: &[],
        words: "MM\0*|II*\0|II+\0|\0\u{1}|\0\u{3}|\0\u{4}|\0\0\0\u{1}|\0\0\0\0",
    },
    Target {
        name: "sheet",
        run: sheet,
        layers: &[PNG_CHUNKS, PNG_ROWS],
        words: "IHDR|IDAT|IEND|PLTE|tRNS|gAMA|cHRM|sRGB|iCCP|zTXt|iTXt|tEXt|acTL|fcTL|fdAT|eXIf|sBIT|\
                \u{1}|\u{4}|\0\0\0\0",
    },
    Target {
        name: "labels",
        run: labels,
        layers: &[],
        words: "[|]|[[[[[[[[|,|9|10|255|256|-1|1.0|1e0|null",
    },
    Target {
        name: "archive",
        run: archive,
        layers: &[GZIP, TAR],
        words: "../|/|..|cifar-10-batches-bin/|data_batch_1.bin|test_batch.bin|0000006001\0|77777777777\0|\
                ustar\0|ustar  \0|00|\u{80}|././@LongLink|12 path=../x\n|20 size=99999999999\n|\
                L|K|x|g|S|1|2|3|6",
    },
    Target {
        name: "set",
        run: set,
        layers: &[GZIP, TAR],
        words: "../|/|cifar-10-batches-py/data_batch_1|cifar-100-python/train|data_batch_1.bin|test_batch|\
                train.bin|batches.meta|.mat|0000006001\0|ustar\0|ustar  \0|././@LongLink|20 size=99999999999\n|L|x|g",
    },
    Target {
        name: "run",
        run: tables,
        layers: &[],
        words: "epoch|iteration|train_loss|train_accuracy|validation_loss|validation_accuracy|loss|,|\n|\
                \r\n|\"|\"\"|NaN|inf|-inf|1e38|-1e38|1e-45|1e999|0|-0|18446744073709551615|0.5|1|%%\n|\
                test_accuracy|hidden_dim|[0]|seed|{|}| |\u{feff}|é",
    },
    Target {
        name: "diff",
        run: difference,
        layers: &[],
        words: "epoch|iteration|train_loss|loss|,|\n|\"|\"\"|NaN|inf|1e999|-0|%%\n|test_accuracy|hidden_dim|\
                [provenance]\n|seed = |{|}|null|true_class|threads = |epochs = ",
    },
    Target {
        name: "formula",
        run: formula,
        layers: &[],
        words: "x|y|w0|e|pi|π|θ|+|-|−|*|·|/|^|**|(|)|,|exp(|log(|sqrt(|sin(|tanh(|sigmoid(|relu(|abs(|\
                max(|min(|sum(|softmax(|2x|√|²|⁻¹|q=x;|mse(|axis=0|.T|[1,2;3,4]|1/(1+exp(-|0|1|2.5e-3|1e308|1e999|.| |\n|<&\"'>|x+x|((((((((((((((((|\
                )))))))))|-----|@|=|x=1|y=-2,z=1e-300",
    },
];

impl Target {
    /// Where its seeds lie.
    pub fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(self.name)
    }

    /// Name and content of each seed, by name. One that must be taken is called `valid-...`, one
    /// that must be refused `broken-...`.
    ///
    /// # Errors
    /// If the folder or a file cannot be read.
    pub fn seeds(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut seeds = Vec::new();
        for entry in fs::read_dir(self.folder())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            seeds.push((name, fs::read(entry.path())?));
        }
        seeds.sort();
        Ok(seeds)
    }
}

/// Whether it was read; a refusal must be a sentence.
fn taken<T, E: ToString>(result: Result<T, E>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// A model file.
fn model(bytes: &[u8]) -> bool {
    let read = ModelFile::parse(bytes);
    if let Ok(model) = &read {
        assert!(model.classifier.parameters().iter().all(|x| x.is_finite()));
    }
    taken(read)
}

/// A recipe; one that can be trained must say the same when it is written down and read again.
fn recipe(bytes: &[u8]) -> bool {
    let read = Config::from_toml(&String::from_utf8_lossy(bytes));
    let Ok(config) = &read else { return taken(read) };
    let checked = config.check().and_then(|()| config.check_with_data(1_000, 3_072, 10, 1));
    if checked.is_ok() {
        let written = toml::to_string(config).expect("a recipe can be written");
        assert_eq!(&Config::from_toml(&written).expect("what was written can be read"), config);
    }
    taken(checked)
}

/// A checkpoint.
fn checkpoint(bytes: &[u8]) -> bool {
    let read = Checkpoint::parse(bytes);
    if let Ok(checkpoint) = &read {
        assert_eq!(checkpoint.model.widths(), checkpoint.state.widths);
        assert_eq!(checkpoint.velocity.widths(), checkpoint.best.widths());
    }
    taken(read)
}

/// The file of a sweep.
fn sweep(bytes: &[u8]) -> bool {
    let read = Sweep::from_toml(&String::from_utf8_lossy(bytes), Path::new("no-such-folder"));
    if let Ok(sweep) = &read {
        assert_eq!(sweep.runs().len() as u64, sweep.points().len() as u64 * sweep.seeds());
        for point in sweep.points() {
            assert!(!sweep.label(point).is_empty());
        }
    }
    taken(read)
}

/// A batch of CIFAR-10's records.
fn cifar(bytes: &[u8]) -> bool {
    let read = cifar10::read_batch_from(bytes, bytes.len() as u64, Path::new("batch.bin"));
    if let Ok(images) = &read {
        assert_eq!(images.len() * RECORD, bytes.len());
    }
    taken(read)
}

/// Records of CIFAR-100.
fn fine_cifar(bytes: &[u8]) -> bool {
    let read = cifar100::read_from(bytes, bytes.len() as u64, Path::new("train.bin"));
    if let Ok(images) = &read {
        assert_eq!(images.len() * cifar100::RECORD, bytes.len());
    }
    taken(read)
}

/// A file of CIFAR's Python version.
fn python(bytes: &[u8]) -> bool {
    let read = place::parse_python(bytes);
    read.as_ref().is_ok_and(|images| *images > 0) && taken(read)
}

/// The IDX files of a set, with a line `%%` between them.
fn arrays(bytes: &[u8]) -> bool {
    let arrays = split(bytes, b"%%\n").into_iter().enumerate().map(|(i, bytes)| {
        let path = PathBuf::from(format!("array-{i}"));
        Ok((path.clone(), idx::read(bytes, &path)?))
    });
    let read = arrays
        .collect::<Result<Vec<_>, _>>()
        .and_then(|arrays| idx::dataset(Path::new("set"), arrays))
        .map(|(data, _)| data);
    if let Ok(data) = &read {
        assert!(data.train.len() > data.test.len() && data.classes.len() == data.test.classes());
    }
    taken(read)
}

/// A picture, brought to another size in colors or in gray.
fn photo(bytes: &[u8]) -> bool {
    let shape = Shape { channels: 1 + 2 * (bytes.len() % 2), height: 5, width: 8 };
    let read = picture::parse(bytes, shape);
    if let Ok(values) = &read {
        assert_eq!(values.len(), shape.dim());
    }
    taken(read)
}

/// A sheet of images as the npm package has them.
fn sheet(bytes: &[u8]) -> bool {
    let read = hostile::npm_sheet(bytes, &[3, 8]);
    assert!(read.as_ref().is_ok_and(|made| *made == 2 * RECORD) || read.is_err());
    taken(read)
}

/// The labels beside the sheets.
fn labels(bytes: &[u8]) -> bool {
    let read = hostile::npm_labels(bytes, 20);
    if let Ok(labels) = &read {
        assert!(labels.len() == 20 && labels.iter().all(|&label| label < 10));
    }
    taken(read)
}

/// The author's archive, one record a file.
fn archive(bytes: &[u8]) -> bool {
    let read = hostile::official_archive(bytes, 1);
    assert!(read.as_ref().is_ok_and(|read| *read == 6 * RECORD as u64) || read.is_err());
    taken(read)
}

/// An archive of CIFAR-10 or CIFAR-100, in either version.
fn set(bytes: &[u8]) -> bool {
    taken(place::parse_archive(bytes))
}

/// The files of two runs that are compared, with a line `%%` between them: `config.toml`,
/// `iterations.csv`, `epochs.csv` and `summary.json` of each, and `confusion.csv` of the first.
fn difference(bytes: &[u8]) -> bool {
    const FILES: [&str; 4] = ["config.toml", "iterations.csv", "epochs.csv", "summary.json"];
    // One folder for the whole campaign: making one takes longer than the comparison.
    thread_local!(static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder"));
    FOLDER.with(|folder| {
        let folders = ["first", "second"].map(|name| folder.path().join(name));
        let mut parts = split(bytes, b"%%\n").into_iter();
        for folder in &folders {
            fs::create_dir_all(folder).expect("a folder");
            for name in FILES {
                let file = folder.join(name);
                match parts.next() {
                    Some(part) => fs::write(file, part).expect("a file"),
                    None => fs::remove_file(file).unwrap_or_default(),
                }
            }
        }
        let read = diff(&folders[0], &folders[1]);
        // A file that the other folder lacks was not read before, and may be refused.
        if let (Ok(comparison), Ok(again)) = (&read, diff(&folders[0], &folders[0])) {
            assert!(again.weights.is_empty() && again.settings.is_empty(), "{comparison:?}");
        }
        fs::write(folders[0].join(Confusion::FILE), parts.next().unwrap_or_default())
            .expect("a file");
        let confusion = Confusion::read(&folders[0]);
        if let Ok(Some(confusion)) = &confusion {
            let classes = 0..confusion.classes.len();
            // It is NaN for a class without images.
            assert!(!classes.clone().any(|class| confusion.recall(class) > 1.0));
            assert_eq!(
                classes.map(|class| confusion.images(class)).sum::<u64>(),
                confusion.total()
            );
        }
        taken(confusion);
        taken(read)
    })
}

/// A run's folder: `epochs.csv`, `iterations.csv`, `config.toml` and `summary.json`, with a line
/// `%%` between them. What can be read must be drawn.
fn tables(bytes: &[u8]) -> bool {
    let parts = split(bytes, b"%%\n");
    let table = |i: usize| parts.get(i).copied().unwrap_or_default();
    let text = |i: usize| parts.get(i).map(|bytes| String::from_utf8_lossy(bytes));
    let read = Run::from_parts(
        Path::new("run-001"),
        table(0),
        table(1),
        text(2).as_deref(),
        text(3).as_deref(),
    );
    if let Ok(run) = &read {
        let figure = curves(std::slice::from_ref(run)).expect("there is a run");
        let svg = figure.svg();
        assert!(svg.ends_with("</svg>\n"));
        let report = Report {
            run: run.clone(),
            first_layer: None,
            predictions: Err("there are no images".into()),
            set: "test",
            confusion: None,
            commands: vec![],
            explained: vec![],
        };
        let both = [report.clone(), report];
        for reports in [&both[..1], &both] {
            let page = page(reports).expect("what was read can be told");
            assert!(page.ends_with("</html>\n"));
            // No line leaves the drawing, and the script can read its points.
            let within = |from: &str, to: &str, what: &str| {
                page.split(from)
                    .skip(1)
                    .any(|part| part.split(to).next().unwrap_or("").contains(what))
            };
            for what in ["NaN", "inf"] {
                assert!(!within(" d=\"", "\"", what) && !within("\"lines\":", "</script", what));
            }
        }
    }
    taken(read)
}

/// A formula, and behind the last `@` values for its variables; those that are given none have 0.5.
/// It is worked with one of the kinds of gates, which its length decides, and drawn in each way.
fn formula(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (formula, at) = text.rsplit_once('@').unwrap_or((&text, ""));
    let (read, given) = (Formula::parse(formula), values::parse(at));
    let (Ok(formula), Ok(given)) = (&read, &given) else { return taken(read) && taken(given) };
    let gates = [Gates::Written, Gates::Primitive, Gates::Fused][bytes.len() % 3];
    let strict = formula.circuit(given, gates);
    let value = |name: &String| {
        let given = given.iter().find(|(given, _)| given == name);
        (name.clone(), given.map_or_else(|| 0.5.into(), |(_, value)| value.clone()))
    };
    let all: Vec<_> = formula.variables().iter().map(value).collect();
    let Ok(circuit) = formula.circuit(&all, gates) else { return taken(strict) };
    assert!(draw::text::draw(&circuit, 100).contains(circuit.output_name()));
    assert!(draw::dot::draw(&circuit).ends_with("}\n"));
    if let Ok(page) = draw::html::draw(&circuit) {
        assert!(page.ends_with("</html>\n"));
    }
    taken(strict)
}

fn split<'a>(mut bytes: &'a [u8], line: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(line.len()).position(|window| window == line) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + line.len()..];
    }
    parts.push(bytes);
    parts
}
