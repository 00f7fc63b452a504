//! `chainrule data describe`: what lies in a folder of images.

use anyhow::bail;
use chainrule_data::folder::{self, Survey};
use chainrule_data::place::{self, Contents};
use chainrule_data::reading::Loaded;
use chainrule_data::{Duplicates, Images};
use chainrule_train::Config;
use chainrule_train::config::DataChoice;
use serde_json::{Value, json};

use crate::commands::images::{Bar, read, reading, sentences};

/// Most sizes of pictures that are told.
const MOST_SIZES: usize = 10;

/// What there is to tell.
struct Description {
    name: String,
    /// Each class, with its images to train on and to test with.
    classes: Vec<(String, [usize; 2])>,
    /// Width, height, and how many images have them; the most frequent first.
    sizes: Vec<((u32, u32), usize)>,
    /// How many images have no colors.
    gray: usize,
    broken: Vec<String>,
    notes: Vec<String>,
    /// What there is to say of images that are there more than once.
    duplicates: Vec<String>,
}

/// Runs the command.
pub fn run(data: DataChoice, seed: u64, json: bool) -> anyhow::Result<()> {
    let pictures = match &data {
        DataChoice::Images(dir) => Some(dir),
        DataChoice::Place(dir) if place::recognize(dir)? == Contents::Folder => Some(dir),
        _ => None,
    };
    let config = Config { data: data.clone(), seed, ..Config::default() };
    let found = match pictures {
        Some(dir) => {
            let bar = Bar::default();
            let tell = |stage: &str, done, all| bar.tell(stage, done, all);
            of_survey(dir.display().to_string(), folder::survey(dir, &reading(&config), &tell)?)
        }
        None => match read(&config)? {
            Some(loaded) => of_loaded(&loaded),
            None => bail!(
                "CIFAR-10 is not in {}: `chainrule data fetch` gets it",
                config.data_dir.display()
            ),
        },
    };
    if json {
        say!("{}", serde_json::to_string_pretty(&as_json(&found))?);
    } else {
        print(&found)?;
    }
    if !found.broken.is_empty() {
        bail!(
            "{} cannot be read; `chainrule train --skip-broken` goes on without",
            match found.broken.len() {
                1 => "1 picture".into(),
                n => format!("{n} pictures"),
            }
        );
    }
    Ok(())
}

fn of_survey(name: String, survey: Survey) -> Description {
    let mut sizes: Vec<_> = survey.sizes.into_iter().collect();
    sizes.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    Description {
        name: format!("pictures in {name}"),
        classes: survey.classes,
        sizes,
        gray: survey.gray,
        broken: survey.broken.iter().map(ToString::to_string).collect(),
        notes: survey.notes,
        duplicates: survey.duplicates,
    }
}

fn of_loaded(loaded: &Loaded) -> Description {
    let dataset = &loaded.dataset;
    let count = |images: &Images, class: usize| {
        images.labels().iter().filter(|&&label| usize::from(label) == class).count()
    };
    let of = |(class, name): (usize, &String)| {
        (name.clone(), [&dataset.train, &dataset.test].map(|images| count(images, class)))
    };
    let (shape, all) = (dataset.train.shape(), dataset.train.len() + dataset.test.len());
    Description {
        name: dataset.name.clone(),
        classes: dataset.classes.iter().enumerate().map(of).collect(),
        sizes: vec![((shape.width as u32, shape.height as u32), all)],
        gray: if shape.channels == 1 { all } else { 0 },
        broken: vec![],
        notes: loaded.notes.clone(),
        duplicates: sentences(&Duplicates::of(dataset), &loaded.names),
    }
}

impl Description {
    /// Images to train on and to test with.
    fn parts(&self) -> [usize; 2] {
        [0, 1].map(|part| self.classes.iter().map(|(_, n)| n[part]).sum())
    }
}

fn as_json(found: &Description) -> Value {
    let [train, test] = found.parts();
    let class = |(name, [train, test]): &(String, [usize; 2])| json!({ "class": name, "train": train, "test": test });
    let size = |((width, height), n): &((u32, u32), usize)| json!({ "width": width, "height": height, "images": n });
    json!({
        "name": found.name,
        "train": train,
        "test": test,
        "gray": found.gray,
        "classes": found.classes.iter().map(class).collect::<Vec<_>>(),
        "sizes": found.sizes.iter().map(size).collect::<Vec<_>>(),
        "broken": found.broken,
        "notes": found.notes,
        "duplicates": found.duplicates,
    })
}

fn print(found: &Description) -> anyhow::Result<()> {
    let [train, test] = found.parts();
    say!("{}: {} images in {} classes", found.name, train + test, found.classes.len());
    let width =
        found.classes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(5);
    say!("\n{:<width$}  {:>7}  {:>7}", "class", "train", "test");
    for (name, [train, test]) in &found.classes {
        say!("{name:<width$}  {train:>7}  {test:>7}");
    }
    say!("{:<width$}  {train:>7}  {test:>7}\n", "all");
    for ((width, height), n) in found.sizes.iter().take(MOST_SIZES) {
        say!("{n} of {width} x {height} pixels");
    }
    if found.sizes.len() > MOST_SIZES {
        say!("and {} more sizes", found.sizes.len() - MOST_SIZES);
    }
    let read: usize = found.sizes.iter().map(|(_, n)| n).sum();
    match found.gray {
        0 => say!("all in colors"),
        gray if gray == read => say!("all in gray"),
        gray => say!("{gray} of them in gray: they train as colors do, with three equal channels"),
    }
    if found.sizes.len() > 1 {
        say!("They train with --resize, 32 or 64x48.");
    }
    for note in &found.notes {
        say!("note: {note}");
    }
    match &found.duplicates[..] {
        [] => say!("no image is there twice"),
        sentences => sentences.iter().try_for_each(|sentence| {
            say!("duplicates: {sentence}");
            anyhow::Ok(())
        })?,
    }
    for problem in &found.broken {
        say!("broken: {problem}");
    }
    Ok(())
}
