//! The rooms of `src/`: which of them may import which.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms, lowest first: each imports only itself and those before it.
const ROOMS: [&str; 21] = [
    "protocol",
    "recipes",
    "page",
    "problem",
    "files",
    "printable",
    "log",
    "aws",
    "secrets",
    "settings",
    "table",
    "store",
    "acme",
    "publisher",
    "gateway",
    "server",
    "lambda",
    "dns",
    "client",
    "cli",
    "lib",
];

#[test]
fn a_room_imports_itself_and_lower_rooms_only() {
    let source_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms = BTreeSet::new();
    for path in sources(&source_folder) {
        let inside = path.strip_prefix(&source_folder).expect("a path in src");
        let first = inside.components().next().expect("a room").as_os_str().to_string_lossy();
        let room = first.trim_end_matches(".rs");
        if room == "bin" {
            continue;
        }
        let height = height(room).unwrap_or_else(|| panic!("{room}: expected a room of {ROOMS:?}"));
        for import in imports(&fs::read_to_string(&path).expect("a source file")) {
            let lower = self::height(&import).is_some_and(|other| other <= height);
            assert!(lower, "{}: imports {import}, which is not below {room}", inside.display());
        }
        rooms.insert(room.to_owned());
    }
    assert_eq!(rooms.len(), ROOMS.len(), "{rooms:?}");
}

/// How high a room is.
fn height(room: &str) -> Option<usize> {
    ROOMS.iter().position(|other| *other == room)
}

/// The rooms that a source file names behind `crate::`.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let name = |text: &str| text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    code.split("crate::")
        .skip(1)
        .flat_map(|path| match path.strip_prefix('{') {
            Some(tree) => branches(tree).map(|branch| name(branch.trim_start())).collect::<Vec<String>>(),
            None => vec![name(path)],
        })
        .filter(|room| !room.is_empty())
        .collect()
}

/// The branches of an import tree, given the text behind its opening brace.
fn branches(tree: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let end = tree.find(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        depth < 0
    });
    let mut depth = 0_i32;
    tree[..end.unwrap_or(tree.len())].split(move |letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    })
}

#[test]
fn import_trees_are_read() {
    let source = "use crate::{\n    a::{b, c},\n    d::e,\n};\nuse crate::f::g;\n// crate::no\nlet x = crate::h::i;";
    assert_eq!(imports(source).into_iter().collect::<Vec<_>>(), ["a", "d", "f", "h"]);
}

/// The Rust files of a folder and of those in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
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
