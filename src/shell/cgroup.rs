//! What the control groups of this process limit.

use std::fs;
use std::path::{Path, PathBuf};

/// How a group says it, by the version of its hierarchy. `None`: it does not limit that.
pub(super) struct Readers<T> {
    pub(super) v2: fn(&Path) -> Option<T>,
    pub(super) v1: fn(&Path) -> Option<T>,
}

/// The tightest limit of the group of this process and all around it. `root` is where `proc` and `sys` are: `/`, except in tests.
pub(super) fn tightest<T: PartialOrd>(root: &Path, controller: &str, readers: &Readers<T>) -> Option<T> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    groups.lines().filter_map(|line| of_line(root, line, controller, readers)).reduce(least)
}

/// The limit by one line of `/proc/self/cgroup`: `ID:CONTROLLERS:PATH`, where version 2 has no controllers.
fn of_line<T: PartialOrd>(root: &Path, line: &str, controller: &str, readers: &Readers<T>) -> Option<T> {
    let (_, line) = line.split_once(':')?;
    let (controllers, path) = line.split_once(':')?;
    let (mount, read) = match controllers {
        "" => (PathBuf::from("sys/fs/cgroup"), readers.v2),
        _ if controllers.split(',').any(|it| it == controller) => {
            (Path::new("sys/fs/cgroup").join(controller), readers.v1)
        }
        _ => return None,
    };
    let path = PathBuf::from(path.trim_start_matches('/'));
    path.ancestors().filter_map(|group| read(&root.join(&mount).join(group))).reduce(least)
}

fn least<T: PartialOrd>(a: T, b: T) -> T {
    if b < a { b } else { a }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A root directory with these files, gone at the end of the test.
    pub(in super::super) struct Root(pub(in super::super) PathBuf);

    impl Root {
        pub(in super::super) fn new(name: &str, files: &[(&str, &str)]) -> Root {
            let root = std::env::temp_dir().join(format!("connectanum-cgroup-{}-{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Root(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
