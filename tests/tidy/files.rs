//! The files of the repository.

use std::path::Path;

/// A text file, with its path from the top of the repository.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The path of the module below the crate's root: `src/router/shard.rs` is `["router", "shard"]`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        if path == "lib" { vec![] } else { path.split('/').collect() }
    }

    /// Whether the file belongs to the tests of a module: `tests.rs` or below a folder `tests`.
    fn is_test(&self) -> bool {
        self.module().contains(&"tests")
    }
}

/// The Rust files below `folder`, without those of modules' tests.
pub(crate) fn rust(folder: &str) -> Vec<File> {
    let mut files = all(folder);
    files.retain(|file| file.path.ends_with(".rs") && !file.is_test());
    assert!(!files.is_empty(), "no Rust file below {folder}");
    files
}

/// The text files below `folder` (`""` is the repository), without what builds and tests leave behind.
pub(crate) fn all(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(root, &root.join(folder), &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let left_behind = ["target", ".git", ".test", "node_modules", "__pycache__"];
        if left_behind.iter().any(|skipped| name == *skipped) {
            continue;
        } else if path.is_dir() {
            walk(root, &path, files);
        } else if let (Ok(text), Ok(path)) = (std::fs::read_to_string(&path), path.strip_prefix(root)) {
            files.push(File { path: path.to_string_lossy().into_owned(), text });
        }
    }
}
