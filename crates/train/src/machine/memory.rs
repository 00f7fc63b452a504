//! How much memory a process may still take, as Linux tells it in files; nothing elsewhere.
//!
//! | file | what it says |
//! | --- | --- |
//! | `/proc/meminfo` | what is free on the machine |
//! | `memory.max`, `memory.current` | the limit of a cgroup (version 2), and what it has taken |
//! | `memory.limit_in_bytes`, `memory.usage_in_bytes` | the same in version 1 |
//! | `/proc/self/limits` | the most address space, `ulimit -v` |
//!
//! A limit of a cgroup holds for those within it, so each one from the process's own up to the root
//! counts. What a cgroup has taken includes files that the system keeps in memory and would give up;
//! the inactive ones count as free, as they do in `docker stats`.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The least of what is free under all limits; `root` is `/` outside the tests.
pub(super) fn available(root: &Path) -> Option<u64> {
    [machine(root), cgroups(root), address_space(root)].into_iter().flatten().min()
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

/// What is left of the address space that the process may have.
fn address_space(root: &Path) -> Option<u64> {
    let limits = read_to_string(root.join("proc/self/limits")).ok()?;
    // "unlimited" is no number.
    let limit = field(&limits, "Max address space")?;
    let status = read_to_string(root.join("proc/self/status")).ok()?;
    let taken = field(&status, "VmSize:")?.checked_mul(1024)?;
    Some(limit.saturating_sub(taken))
}

/// A version of cgroups: the names of its files.
struct Version {
    limit: &'static str,
    usage: &'static str,
    inactive: &'static str,
}

const V1: Version = Version {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
};
const V2: Version =
    Version { limit: "memory.max", usage: "memory.current", inactive: "inactive_file" };

impl Version {
    /// What is left in the cgroup of this folder, if it has a limit.
    fn left(&self, folder: &Path) -> Option<u64> {
        let number =
            |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        // "max" is no number; version 1 writes a number near 2^63 for it, which limits nothing.
        let limit = number(self.limit)?;
        let stat = read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let kept = field(&stat, &format!("{} ", self.inactive)).unwrap_or(0);
        Some(limit.saturating_sub(number(self.usage)?.saturating_sub(kept)))
    }
}

/// What is left in the process's cgroup and those around it.
fn cgroups(root: &Path) -> Option<u64> {
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
        available(system(files).path())
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

    #[test]
    fn the_limit_of_address_space_counts() {
        let limits = |soft: &str| {
            let text = format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max cpu time              unlimited            unlimited            seconds   \n\
                 Max address space         {soft}           unlimited            bytes     \n"
            );
            ("proc/self/limits", text)
        };
        let status = ("proc/self/status", format!("VmPeak:\t 9 kB\nVmSize:\t {} kB\n", 50 * 1024));
        let soft = (200 * MIB).to_string();
        assert_eq!(left(&[meminfo(5000), limits(&soft), status.clone()]), Some(150 * MIB));
        assert_eq!(left(&[meminfo(5000), limits("unlimited"), status]), Some(5000 * MIB));
    }
}
