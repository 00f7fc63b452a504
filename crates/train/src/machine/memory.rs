//! How much memory a process may still take, as Linux tells it in files; nothing elsewhere.
//!
//! | file | what it says |
//! | --- | --- |
//! | `/proc/meminfo` | what is free on the machine |
//! | `memory.max`, `memory.current` | the limit of a cgroup (version 2), and what it has taken |
//! | `memory.limit_in_bytes`, `memory.usage_in_bytes` | the same in version 1 |
//! | `memory.stat` | in version 1 also the least limit of the cgroups around it, which a container may not see |
//! | `/proc/self/limits` | the most address space and data, `ulimit -v` and `ulimit -d` |
//! | `/proc/sys/vm/overcommit_memory` | 2, if no more may be promised than `CommitLimit` of `/proc/meminfo` |
//!
//! A limit of a cgroup holds for those within it, so each one from the process's own up to the root
//! counts. What a cgroup has taken includes files that the system keeps in memory and would give up;
//! the inactive ones count as free, as they do in `docker stats`.

use std::fmt;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use chainrule_data::Amount;

/// Memory that this process may still take, and what bounds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Available {
    /// So many bytes.
    pub bytes: u64,
    bound: Bound,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Machine,
    Commit,
    /// The file of the limit.
    Cgroup(PathBuf),
    /// The option of `ulimit`.
    Process(char),
}

/// As in "512 MB are left below the limit of address space (ulimit -v)".
impl fmt::Display for Available {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = Amount(self.bytes);
        match &self.bound {
            Bound::Machine => write!(f, "{amount} are free on this machine"),
            Bound::Commit => write!(
                f,
                "{amount} are left that this machine may promise (vm.overcommit_memory is 2)"
            ),
            Bound::Cgroup(file) => {
                write!(f, "{amount} are left below the limit in {}", file.display())
            }
            Bound::Process('v') => {
                write!(f, "{amount} are left below the limit of address space (ulimit -v)")
            }
            Bound::Process(option) => {
                write!(f, "{amount} are left below the limit of data (ulimit -{option})")
            }
        }
    }
}

/// The least of what is free under all limits; `root` is `/` outside the tests.
pub(super) fn available(root: &Path) -> Option<Available> {
    let process = |option, limit, taken| {
        Some(Available { bytes: process(root, limit, taken)?, bound: Bound::Process(option) })
    };
    let all = [
        machine(root).map(|bytes| Available { bytes, bound: Bound::Machine }),
        commit(root).map(|bytes| Available { bytes, bound: Bound::Commit }),
        cgroups(root),
        process('v', "Max address space", "VmSize:"),
        process('d', "Max data size", "VmData:"),
    ];
    all.into_iter().flatten().min()
}

/// The number behind a name in a file of lines `name number ...`, in its own unit.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What is free on the machine.
fn machine(root: &Path) -> Option<u64> {
    let text = read_to_string(root.join("proc/meminfo")).ok()?;
    field(&text, "MemAvailable:")?.checked_mul(1024)
}

/// What may still be promised on a machine that promises no more than it has.
fn commit(root: &Path) -> Option<u64> {
    let mode = read_to_string(root.join("proc/sys/vm/overcommit_memory")).ok()?;
    let text = read_to_string(root.join("proc/meminfo")).ok()?;
    let (limit, taken) = (field(&text, "CommitLimit:")?, field(&text, "Committed_AS:")?);
    (mode.trim() == "2").then_some(limit.saturating_sub(taken).checked_mul(1024)?)
}

/// What is left below a limit of the process: its name in `limits`, and in `status` what it counts.
fn process(root: &Path, limit: &str, taken: &str) -> Option<u64> {
    let limits = read_to_string(root.join("proc/self/limits")).ok()?;
    // "unlimited" is no number.
    let limit = field(&limits, limit)?;
    let status = read_to_string(root.join("proc/self/status")).ok()?;
    Some(limit.saturating_sub(field(&status, taken)?.checked_mul(1024)?))
}

/// A version of cgroups: the names of its files.
struct Version {
    limit: &'static str,
    usage: &'static str,
    inactive: &'static str,
    /// The entry of `memory.stat` that has the least limit of this cgroup and those around it.
    around: Option<&'static str>,
}

const V1: Version = Version {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
    around: Some("hierarchical_memory_limit "),
};
const V2: Version = Version {
    limit: "memory.max",
    usage: "memory.current",
    inactive: "inactive_file",
    around: None,
};

impl Version {
    /// What is left in the cgroup of this folder, if it has a limit.
    fn left(&self, folder: &Path) -> Option<Available> {
        let number =
            |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        // "max" is no number; version 1 writes a number near 2^63 for it, which limits nothing.
        let stat = read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let own = number(self.limit).map(|limit| (limit, self.limit));
        let around = self.around.and_then(|name| Some((field(&stat, name)?, "memory.stat")));
        let (limit, file) = own.into_iter().chain(around).min()?;
        let kept = field(&stat, &format!("{} ", self.inactive)).unwrap_or(0);
        let bytes = limit.saturating_sub(number(self.usage)?.saturating_sub(kept));
        Some(Available { bytes, bound: Bound::Cgroup(folder.join(file)) })
    }
}

/// What is left in the process's cgroup and those around it.
fn cgroups(root: &Path) -> Option<Available> {
    let own = read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let left = own.lines().filter_map(|line| {
        // "0::/path", or "5:cpu,memory:/path" in version 1.
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (version, kind) = match controllers {
            "" => (&V2, "cgroup2"),
            _ if controllers.split(',').any(|name| name == "memory") => (&V1, "cgroup"),
            _ => return None,
        };
        let (mount, within) = mount_of(&mounts, kind)?;
        let top = root.join(mount.strip_prefix("/").unwrap_or(&mount));
        // Within a container the path may be one that only the host sees.
        let path = Path::new(path);
        let path = path.strip_prefix(&within).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
        let folder = top.join(path);
        let around = folder.ancestors().take_while(|folder| folder.starts_with(&top));
        around.filter_map(|folder| version.left(folder)).min()
    });
    left.min()
}

/// Where the cgroups of memory are mounted, and which of them is the root there.
fn mount_of(mounts: &str, kind: &str) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        // "31 24 0:27 / /sys/fs/cgroup/memory rw,... shared:9 - cgroup cgroup rw,memory"
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (within, mount) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let is_kind = right.next() == Some(kind);
        let options = right.nth(1).unwrap_or_default();
        let is_memory = kind == "cgroup2" || options.split(',').any(|option| option == "memory");
        (is_kind && is_memory).then(|| (mount.into(), within.into()))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A system of these files, as proc(5) and the kernel's cgroup-v1 and cgroup-v2 documents
    /// describe them.
    fn system(files: &[(&str, String)]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    fn left(files: &[(&str, String)]) -> Option<u64> {
        available(system(files).path()).map(|available| available.bytes)
    }

    /// What is said of the limit, with the path of the system taken off.
    fn said(files: &[(&str, String)]) -> String {
        let system = system(files);
        let root = system.path().to_str().unwrap();
        available(system.path()).unwrap().to_string().replace(root, "")
    }

    fn meminfo(mib: u64) -> (&'static str, String) {
        let text =
            format!("MemTotal: 99999999 kB\nMemFree: 17 kB\nMemAvailable: {} kB\n", mib * 1024);
        ("proc/meminfo", text)
    }

    fn cgroup2(path: &str) -> [(&'static str, String); 2] {
        [
            ("proc/self/cgroup", format!("0::{path}\n")),
            (
                "proc/self/mountinfo",
                "22 1 0:20 / /proc rw - proc proc rw\n\
                 31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
                    .into(),
            ),
        ]
    }

    #[test]
    fn without_limits_it_is_what_the_machine_has_free() {
        assert_eq!(left(&[meminfo(500)]), Some(500 * MIB));
        assert_eq!(left(&[]), None);
        let [own, mounts] = cgroup2("/");
        assert_eq!(left(&[meminfo(500), own, mounts]), Some(500 * MIB));
    }

    #[test]
    fn a_containers_limit_counts_and_so_does_that_of_a_cgroup_around_it() {
        let [own, mounts] = cgroup2("/app/job");
        let limit = |folder: &'static str, max: &str, current: u64| {
            let name = |file: &str| format!("sys/fs/cgroup/{folder}{file}");
            [
                (name("memory.max"), format!("{max}\n")),
                (name("memory.current"), format!("{current}\n")),
            ]
        };
        let with = |limits: Vec<[(String, String); 2]>| {
            let mut files = vec![meminfo(5000), own.clone(), mounts.clone()];
            let limits = limits.concat();
            files.extend(limits.iter().map(|(name, content)| (name.as_str(), content.clone())));
            left(&files)
        };
        let mib = |n: u64| (n * MIB).to_string();
        assert_eq!(with(vec![limit("app/job/", &mib(300), 100 * MIB)]), Some(200 * MIB));
        let [max, current] = limit("app/", &mib(300), 270 * MIB);
        let mut files = vec![meminfo(5000), own.clone(), mounts.clone()];
        files.extend([&max, &current].map(|(name, content)| (name.as_str(), content.clone())));
        assert_eq!(
            said(&files),
            "31.5 MB are left below the limit in /sys/fs/cgroup/app/memory.max"
        );
        assert_eq!(with(vec![limit("app/job/", "max", 100 * MIB)]), Some(5000 * MIB));
        let nested = vec![
            limit("app/job/", &mib(300), 100 * MIB),
            limit("app/", &mib(400), 350 * MIB),
            limit("", "max", 4000 * MIB),
        ];
        assert_eq!(with(nested), Some(50 * MIB));
        assert_eq!(with(vec![limit("app/", &mib(100), 150 * MIB)]), Some(0));
    }

    #[test]
    fn files_that_the_system_would_give_up_count_as_free() {
        let [own, mounts] = cgroup2("/");
        let files = [
            meminfo(5000),
            own,
            mounts,
            ("sys/fs/cgroup/memory.max", (300 * MIB).to_string()),
            ("sys/fs/cgroup/memory.current", (290 * MIB).to_string()),
            ("sys/fs/cgroup/memory.stat", format!("anon 5\ninactive_file {}\n", 200 * MIB)),
        ];
        assert_eq!(left(&files), Some(210 * MIB));
    }

    #[test]
    fn version_1_is_read_too_also_where_the_container_does_not_see_its_own_path() {
        let mounts = |within: &str| {
            let text = format!(
                "30 24 0:26 {within} /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                 31 24 0:27 {within} /sys/fs/cgroup/memory ro shared:9 - cgroup cgroup rw,memory\n"
            );
            ("proc/self/mountinfo", text)
        };
        let own =
            ("proc/self/cgroup", "6:cpu:/x\n5:memory:/docker/abc\n0::/docker/abc\n".to_owned());
        for (within, folder) in [("/", "docker/abc/"), ("/docker/abc", ""), ("/elsewhere", "")] {
            let name = |file: &str| format!("sys/fs/cgroup/memory/{folder}{file}");
            let limit = name("memory.limit_in_bytes");
            let usage = name("memory.usage_in_bytes");
            let stat = name("memory.stat");
            let files = [
                meminfo(5000),
                own.clone(),
                mounts(within),
                (limit.as_str(), (64 * MIB).to_string()),
                (usage.as_str(), (60 * MIB).to_string()),
                (stat.as_str(), format!("inactive_file 1\ntotal_inactive_file {}\n", 10 * MIB)),
            ];
            assert_eq!(left(&files), Some(14 * MIB), "{within}");
        }
    }

    /// `hierarchical_memory_limit`, section 5.2 of the kernel's cgroup-v1/memory document.
    #[test]
    fn a_limit_around_a_container_counts_in_version_1_though_its_cgroup_is_not_seen() {
        let files = [
            meminfo(5000),
            ("proc/self/cgroup", "5:memory:/\n".to_owned()),
            (
                "proc/self/mountinfo",
                "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n".into(),
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n".into()),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", (60 * MIB).to_string()),
            (
                "sys/fs/cgroup/memory/memory.stat",
                format!("cache 1\nhierarchical_memory_limit {}\n", 64 * MIB),
            ),
        ];
        assert_eq!(left(&files), Some(4 * MIB));
        let said = said(&files);
        assert!(said.ends_with("below the limit in /sys/fs/cgroup/memory/memory.stat"), "{said}");
    }

    /// proc(5), and the kernel's document vm/overcommit-accounting.
    #[test]
    fn a_machine_that_promises_no_more_than_it_has_is_asked_for_what_is_left() {
        let meminfo = format!(
            "MemAvailable: {} kB\nCommitLimit: {} kB\nCommitted_AS: {} kB\n",
            500 * 1024,
            300 * 1024,
            100 * 1024
        );
        let with = |mode: &str| {
            let mode = ("proc/sys/vm/overcommit_memory", mode.to_owned());
            [("proc/meminfo", meminfo.clone()), mode]
        };
        assert_eq!(left(&with("0\n")), Some(500 * MIB));
        assert_eq!(left(&with("2\n")), Some(200 * MIB));
        assert!(said(&with("2\n")).contains("vm.overcommit_memory is 2"));
    }

    #[test]
    fn the_limits_of_address_space_and_of_data_count() {
        let limits = |data: &str, soft: &str| {
            let text = format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max cpu time              unlimited            unlimited            seconds   \n\
                 Max data size             {data}           unlimited            bytes     \n\
                 Max address space         {soft}           unlimited            bytes     \n"
            );
            ("proc/self/limits", text)
        };
        let taken =
            format!("VmPeak:\t 9 kB\nVmSize:\t {} kB\nVmData:\t {} kB\n", 50 * 1024, 9 * 1024);
        let status = ("proc/self/status", taken);
        let none = "unlimited";
        let soft = (200 * MIB).to_string();
        let with = |data: &str, soft: &str| [meminfo(5000), limits(data, soft), status.clone()];
        assert_eq!(left(&with(none, &soft)), Some(150 * MIB));
        assert!(said(&with(none, &soft)).ends_with("limit of address space (ulimit -v)"));
        assert_eq!(left(&with(&soft, none)), Some(191 * MIB));
        assert!(said(&with(&soft, none)).ends_with("limit of data (ulimit -d)"));
        assert_eq!(left(&with(none, none)), Some(5000 * MIB));
        assert!(said(&with(none, none)).ends_with("are free on this machine"));
    }
}
