//! Which folders of a folder are its parts, to train on and to test with, and which are classes.
//!
//! Users of torchvision and Keras name the parts `train`, `test` and `val`, and their datasets
//! `Training`, `Testing`, `valid`, `training_set`, `seg_test`. All of these are read, in any case.
//! What could as well be classes of such names is refused: a network that tells `Training` from
//! `Testing` is of no use to anybody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entries::{count, folders, pictures, place, some};
use crate::Error;

/// What a folder says a picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The split decides.
    Either,
    Train,
    Test,
}

/// What the name of a folder says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Train,
    Test,
    Validation,
}

/// The names of parts, in lower case.
const NAMES: [(Role, &[&str]); 3] = [
    (Role::Train, &["train", "training", "trainset"]),
    (Role::Test, &["test", "testing", "testset"]),
    (Role::Validation, &["val", "valid", "validation", "validate", "valset"]),
];

impl Role {
    /// The role of a word, in any case.
    fn of_word(word: &str) -> Option<Role> {
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        NAMES.iter().find(|(_, names)| is(names)).map(|(role, _)| *role)
    }

    /// The role of a name of several words, `training_set` or `seg-test`, if one of them says it.
    fn of_words(name: &str) -> Option<Role> {
        let words = name.split(|c: char| !c.is_alphanumeric());
        let mut roles = words.filter_map(Role::of_word);
        roles.next().filter(|_| roles.next().is_none())
    }
}

/// The folders that hold the classes, and what each is for.
pub(super) struct Parts {
    pub folders: Vec<(PathBuf, Part)>,
    /// A note for the user.
    pub notes: Vec<String>,
}

impl Parts {
    /// The parts of `dir`, whose folders are `top`; `dir` itself, if these are classes.
    ///
    /// # Errors
    /// If it cannot be told which they are, or a part of a set is missing.
    pub fn of(dir: &Path, top: &BTreeMap<String, PathBuf>) -> Result<Parts, Error> {
        let whole = Parts { folders: vec![(dir.to_owned(), Part::Either)], notes: vec![] };
        let exact: Vec<_> = top.keys().map(|name| Role::of_word(name)).collect();
        let loose: Vec<_> = top.keys().map(|name| Role::of_words(name)).collect();
        let all_are_parts = loose.iter().all(Option::is_some);
        let roles = if all_are_parts { loose } else { exact };
        let has = |role| roles.contains(&Some(role));
        // One such name alone may be a class: there are trains in photographs, and in CIFAR-100.
        if !(has(Role::Train) && (has(Role::Test) || has(Role::Validation))) {
            return Ok(whole);
        }
        let named = |role| {
            let names = top.keys().zip(&roles).filter(move |(_, of)| **of == Some(role));
            names.map(|(name, _)| name).collect::<Vec<_>>()
        };
        let [train, test, validation] = [Role::Train, Role::Test, Role::Validation].map(named);
        for names in [&train, &test, &validation] {
            if let [first, second, ..] = names[..] {
                return Err(place(
                    dir,
                    format!("holds {first} and {second}, which both name the same part: keep one"),
                ));
            }
        }
        let other: Vec<&String> =
            top.keys().zip(&roles).filter(|(_, role)| role.is_none()).map(|(n, _)| n).collect();
        let parts: Vec<&String> =
            [&train, &test, &validation].into_iter().flatten().copied().collect();
        let mut holding = Vec::new();
        for name in &parts {
            if !folders(&top[*name])?.is_empty() {
                holding.push(*name);
            }
        }
        if holding.is_empty() {
            return Err(place(
                dir,
                format!(
                    "holds the folders {}, which are names of parts, and no folder of a class in them: \
                     put the pictures of each class into a folder of its own, as in {}/cat; if they \
                     are classes, rename them",
                    some(parts.iter().copied()),
                    parts[0]
                ),
            ));
        }
        if let Some(name) = other.first() {
            return Err(place(
                dir,
                format!(
                    "holds {name} beside {}: expected those alone, each with the same classes",
                    some(parts.iter().copied())
                ),
            ));
        }
        if let Some(empty) = parts.iter().find(|name| !holding.contains(*name)) {
            let within = &top[*empty];
            return Err(place(
                within,
                format!(
                    "holds {} and no folder of a class, and {} holds the classes {}: sort them into the \
                     same classes, or name {} alone, of which a part is then set aside to test with",
                    count(pictures(within)?.len()),
                    holding[0],
                    some(folders(&top[holding[0]])?.keys()),
                    top[holding[0]].display()
                ),
            ));
        }
        let mut notes = vec![];
        let mut folders = vec![(top[train[0]].clone(), Part::Train)];
        match (test.first(), validation.first()) {
            (Some(test), None) => folders.push((top[*test].clone(), Part::Test)),
            (None, Some(validation)) => {
                notes.push(format!(
                    "there is no folder test: the pictures of {validation} are the test set"
                ));
                folders.push((top[*validation].clone(), Part::Test));
            }
            (Some(test), Some(validation)) => {
                notes.push(format!(
                    "the pictures of {validation} join those of {}: a run sets validation images aside by \
                     itself, by chance",
                    train[0]
                ));
                folders.push((top[*test].clone(), Part::Test));
                folders.push((top[*validation].clone(), Part::Train));
            }
            (None, None) => unreachable!("there is a part beside the training part"),
        }
        Ok(Parts { folders, notes })
    }
}

/// What should be said of a folder that is read as a whole: it may be one part of a set.
pub(super) fn note_of_siblings(dir: &Path) -> Option<String> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let own = name(dir).as_deref().and_then(Role::of_words)?;
    let siblings = folders(dir.parent()?).ok()?;
    let is_other = |name: &&String| Role::of_words(name).is_some_and(|role| role != own);
    let other = siblings.keys().find(is_other)?;
    Some(format!(
        "{} is read alone, and a part of it tests: beside it lies {other}, and {} has both",
        dir.display(),
        dir.parent()?.display()
    ))
}
