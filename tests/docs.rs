//! What the documentation names is there.

use std::{fs, path::Path};

#[test]
fn the_tests_that_the_pages_name_are_there() {
    let mut named = 0;
    for page in ["docs/security.md", "docs/reliability.md"] {
        for (text, path) in links(page) {
            let name = text.trim_matches('`');
            let kind = Path::new(&path).extension().and_then(|kind| kind.to_str());
            let is_test = text.starts_with('`') && matches!(kind, Some("rs" | "py"));
            if !is_test {
                continue;
            }
            let source = fs::read_to_string(root("docs").join(&path)).unwrap_or_default();
            let test = ["fn ", "def "].iter().any(|word| source.contains(&format!("{word}{name}(")));
            assert!(test, "{page}: {name} is not in {path}");
            named += 1;
        }
    }
    assert!(named >= 10, "{named}: the pages are not read as they are written");
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let pages = ["README.md", "protocol-tests/README.md"].map(str::to_owned).into_iter();
    let docs = fs::read_dir(root("docs")).expect("docs").map(|page| page.expect("a page").file_name());
    let docs = docs
        .map(|name| format!("docs/{}", name.to_string_lossy()))
        .filter(|page| Path::new(page).extension() == Some("md".as_ref()));
    for page in pages.chain(docs) {
        for (_, path) in links(&page) {
            let path = path.split('#').next().unwrap_or_default();
            let there = path.is_empty() || root(&page).parent().expect("a folder").join(path).exists();
            assert!(there, "{page}: {path}");
        }
    }
}

/// Text and target of the links in a page that lead to our own files.
fn links(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let link = |rest: &str| {
        let (text, rest) = rest.split_once("](")?;
        let (path, _) = rest.split_once(')')?;
        (!text.contains(']') && !path.contains("://")).then(|| (text.to_owned(), path.to_owned()))
    };
    text.split('[').filter_map(link).collect()
}

/// A path from the repository's root.
fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
