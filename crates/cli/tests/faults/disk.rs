//! A disk that calls are replayed onto, and what a power cut may leave on it.
//!
//! Until a file is synced its content, and until a folder is synced its names, may have arrived in
//! part, whole or not at all, and in any order.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::shim::Call;

/// What survives a power cut.
#[derive(Clone, Copy, Debug)]
pub enum Model {
    /// Everything so far: as if the process was killed.
    Arrived,
    /// What was synced, and nothing else.
    Synced,
    /// All names, and of the content what was synced.
    Names,
    /// All content, and of the names those whose folder was synced.
    Content,
    /// What was synced, and of the rest a part that this number draws.
    Part(u64),
}

impl Model {
    pub fn all(seed: u64) -> [Model; 6] {
        use Model::*;
        [Arrived, Synced, Names, Content, Part(2 * seed), Part(2 * seed + 1)]
    }

    pub fn name(self) -> &'static str {
        match self {
            Model::Arrived => "everything so far",
            Model::Synced => "what was synced, and nothing else",
            Model::Names => "all names; of the content what was synced",
            Model::Content => "all content; of the names those whose folder was synced",
            Model::Part(_) => "what was synced, and of the rest a part at random",
        }
    }
}

/// What changes a file.
#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write(offset, data) => {
                let end = offset + data.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(data);
            }
            Change::Length(length) => content.resize(*length, 0),
        }
    }
}

/// What changes a folder.
#[derive(Clone, Debug)]
enum Naming {
    Set(PathBuf, Entry),
    Rename(PathBuf, PathBuf, Entry),
    Remove(PathBuf),
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Naming::Set(path, entry) => {
                names.insert(path.clone(), *entry);
            }
            Naming::Rename(from, to, entry) => {
                names.remove(from);
                names.insert(to.clone(), *entry);
            }
            Naming::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Folder,
    File(usize),
}

type Names = BTreeMap<PathBuf, Entry>;

/// Something that is synced, and the changes since then.
#[derive(Clone, Debug)]
struct Synced<T, C> {
    synced: T,
    since: Vec<C>,
}

impl<T: Clone, C: Clone> Synced<T, C> {
    fn with(&self, apply: impl Fn(&C, &mut T), survives: impl FnMut(&&C) -> bool) -> T {
        let mut now = self.synced.clone();
        self.since.iter().filter(survives).for_each(|change| apply(change, &mut now));
        now
    }
}

#[derive(Default)]
pub struct Disk {
    files: Vec<Synced<Vec<u8>, Change>>,
    inodes: HashMap<u64, usize>,
    /// The folders by their paths; the root is "".
    folders: BTreeMap<PathBuf, Synced<Names, Naming>>,
}

/// The content of a disk: a path's bytes, or nothing for a folder.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Disk {
    fn folder(&mut self, path: &Path) -> &mut Synced<Names, Naming> {
        let parent = path.parent().expect("below the root").to_owned();
        self.at(parent)
    }

    fn at(&mut self, path: PathBuf) -> &mut Synced<Names, Naming> {
        self.folders.entry(path).or_insert(Synced { synced: Names::new(), since: vec![] })
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let folder = self.folders.get(path.parent()?)?;
        folder.with(Naming::apply, |_| true).get(path).copied()
    }

    /// Makes a call that succeeded; any other changes nothing.
    pub fn apply(&mut self, call: &Call) {
        if call.result > 0 {
            return;
        }
        let path = call.path.clone();
        let naming = match call.name.as_str() {
            "create" => {
                self.files.push(Synced { synced: vec![], since: vec![] });
                let file = self.files.len() - 1;
                self.inodes.insert(call.inode, file);
                Naming::Set(path, Entry::File(file))
            }
            "mkdir" => {
                self.at(path.clone());
                Naming::Set(path, Entry::Folder)
            }
            "rename" => {
                let entry = self.entry(&path).expect("what is renamed");
                let to = PathBuf::from(&call.second);
                assert_eq!(path.parent(), to.parent(), "renamed within a folder");
                Naming::Rename(path, to, entry)
            }
            "unlink" | "rmdir" => Naming::Remove(path),
            "open" if call.second.is_empty() => {
                let Some(Entry::File(file)) = self.entry(&path) else { panic!("{path:?}") };
                self.inodes.insert(call.inode, file);
                return;
            }
            "write" | "ftruncate" => {
                let change = match call.second.parse() {
                    Ok(length) => Change::Length(length),
                    Err(_) => Change::Write(call.offset, call.data.clone()),
                };
                self.files[self.inodes[&call.inode]].since.push(change);
                return;
            }
            "fsync" => {
                match self.folders.get_mut(&path) {
                    Some(folder) => sync(folder, Naming::apply),
                    None => sync(&mut self.files[self.inodes[&call.inode]], Change::apply),
                }
                return;
            }
            other => panic!("{other} is not known"),
        };
        self.folder(&call.path).since.push(naming);
    }

    /// Syncs all.
    pub fn sync(&mut self) {
        self.folders.values_mut().for_each(|folder| sync(folder, Naming::apply));
        self.files.iter_mut().for_each(|file| sync(file, Change::apply));
    }

    /// What a power cut leaves now.
    pub fn state(&self, model: Model) -> State {
        let mut draws = match model {
            Model::Part(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            _ => 0,
        };
        let mut drawn = move || {
            draws = draws
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            draws >> 63 == 1
        };
        let mut content = BTreeMap::new();
        for (path, folder) in &self.folders {
            // A folder whose own name was lost is lost with all in it.
            if !path.as_os_str().is_empty() && !content.contains_key(path) {
                continue;
            }
            let names = folder.with(Naming::apply, |_| match model {
                Model::Arrived | Model::Names => true,
                Model::Synced | Model::Content => false,
                Model::Part(_) => drawn(),
            });
            for (path, entry) in names {
                let bytes = match entry {
                    Entry::Folder => None,
                    Entry::File(file) => {
                        Some(self.files[file].with(Change::apply, |_| match model {
                            Model::Arrived | Model::Content => true,
                            Model::Synced | Model::Names => false,
                            Model::Part(_) => drawn(),
                        }))
                    }
                };
                content.insert(path, bytes);
            }
        }
        State(content)
    }

    /// Makes what a power cut leaves now below `root`.
    pub fn write(&self, root: &Path, model: Model) {
        self.state(model).write(root);
    }
}

fn sync<T: Clone, C: Clone>(what: &mut Synced<T, C>, apply: impl Fn(&C, &mut T)) {
    what.synced = what.with(apply, |_| true);
    what.since.clear();
}

impl State {
    pub fn write(&self, root: &Path) {
        std::fs::create_dir_all(root).unwrap();
        for (path, content) in &self.0 {
            match content {
                None => std::fs::create_dir(root.join(path)).unwrap(),
                Some(bytes) => std::fs::write(root.join(path), bytes).unwrap(),
            }
        }
    }
}
