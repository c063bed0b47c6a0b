//! The rooms of `src/`: which of them may import which.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn the_protocol_imports_nothing_else_of_the_crate() {
    let mut read = 0;
    for path in sources("src/protocol") {
        let source = fs::read_to_string(&path).expect("a source file");
        for (line, text) in source.lines().enumerate() {
            for (_, import) in text.match_indices("crate::").map(|(at, found)| (at, &text[at + found.len()..])) {
                let inside = import.strip_prefix("protocol").is_some_and(|rest| rest.starts_with("::"));
                assert!(inside, "{}:{}: {text}", path.display(), line + 1);
            }
            assert!(!text.contains("super::super"), "{}:{}: {text}", path.display(), line + 1);
        }
        read += 1;
    }
    assert!(read >= 12, "{read}: the room is somewhere else");
}

/// The Rust files of a folder and of those in it.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs".as_ref()) {
                files.push(path);
            }
        }
    }
    files
}
