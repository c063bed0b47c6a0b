//! The documentation holds together: its links lead somewhere, the tests that it names exist, and
//! the page of settings lists what the program reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nic53::{
    recipes::RECIPES,
    settings::{FLEET_VARIABLES, VARIABLES},
};

#[test]
fn the_tests_that_the_pages_name_exist() {
    let mut named = 0;
    for page in ["docs/security.md", "docs/reliability.md"] {
        for Link { text, target } in Page::read(page).links() {
            let name = text.trim_matches('`');
            // Code in the text of a link is a test, if it is one word.
            let is_test = text.starts_with('`') && name.contains('_') && !name.contains(['.', '/', ' ']);
            if !is_test {
                continue;
            }
            let source = fs::read_to_string(root("docs").join(&target)).unwrap_or_default();
            let exists = ["fn ", "def "].iter().any(|word| source.contains(&format!("{word}{name}(")));
            assert!(exists, "{page}: {name} is not in {target}");
            named += 1;
        }
    }
    assert!(named >= 10, "{named} tests are named: the pages are not read as they are written");
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        for Link { text, target } in Page::read(&page).links() {
            let (path, anchor) = target.split_once('#').map_or((&*target, None), |(path, anchor)| (path, Some(anchor)));
            let folder = root(&page).parent().expect("a folder").to_owned();
            let file = if path.is_empty() { root(&page) } else { folder.join(path) };
            assert!(file.exists(), "{page}: [{text}]: {path} does not exist");
            if let Some(anchor) = anchor {
                let text = fs::read_to_string(&file).expect("a page");
                assert!(anchors(&text).iter().any(|known| known == anchor), "{page}: {target}: no such heading");
            }
        }
    }
}

#[test]
fn every_reference_is_defined_and_used() {
    for page in pages() {
        let Page { text, definitions } = Page::read(&page);
        let used: Vec<String> = brackets(&text).into_iter().map(|bracket| bracket.label().to_owned()).collect();
        for bracket in brackets(&text) {
            let known = matches!(bracket.after, After::Inline(_)) || definitions.contains_key(bracket.label());
            assert!(known, "{page}: [{}] is not defined at the end of the page", bracket.label());
        }
        for label in definitions.keys() {
            assert!(used.contains(label), "{page}: [{label}] is defined and not used");
        }
    }
}

#[test]
fn an_undefined_reference_is_noticed() {
    let text = "See [one], [two words][2], [`a[0]`], `[no link]` and [three](three.md).\n";
    let labels: Vec<_> = brackets(text).iter().map(|bracket| bracket.label().to_owned()).collect();
    assert_eq!(labels, ["one", "2", "`a[0]`", "three"]);
}

#[test]
fn the_page_of_settings_lists_what_the_program_reads() {
    let page = Page::read("docs/settings.md");
    let rows = page.text.lines().filter_map(|line| line.strip_prefix("| `NIC53_"));
    let listed: BTreeMap<String, String> = rows
        .map(|row| {
            let mut cells = row.split('|').map(str::trim);
            let mut cell = || cells.next().expect("a cell").to_owned();
            (format!("NIC53_{}", cell().trim_end_matches('`')), cell())
        })
        .collect();
    assert_eq!(listed, variables());
}

#[test]
fn every_command_that_the_pages_show_has_the_flags_that_they_give_it() {
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut help = |command: &str| helps.entry(command.to_owned()).or_insert_with(|| help_of(command)).clone();
    let commands = help("");
    let mut flags = 0;
    for page in pages() {
        let whole = fs::read_to_string(root(&page)).expect("a page");
        for line in commands_of(&whole) {
            let mut words = line.split_whitespace();
            let command = words.next().expect("a command");
            assert!(commands.contains(&format!("\n  {command} ")), "{page}: nic53 {line}: no such command");
            for flag in words.filter_map(|word| word.strip_prefix("--")) {
                let name = flag.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '-')).next();
                let name = name.expect("a first part");
                let known = help(command).split_whitespace().any(|word| word.trim_matches(',') == format!("--{name}"));
                assert!(known, "{page}: nic53 {line}: `nic53 {command}` has no --{name}");
                flags += 1;
            }
        }
    }
    assert!(flags >= 12, "{flags} flags are shown: the pages are not read as they are written");
}

#[test]
fn a_command_is_found_in_a_block_and_between_backticks() {
    let page = "A `nic53 token NAME` and\n\n```\n$ nic53 check --myip 192.0.2.1 | head\nDATA=/var/nic53 nic53 update\n```\n\
                and `nic53\nexport`, not `nic53-data` or `the nic53 is`.";
    assert_eq!(commands_of(page), ["check --myip 192.0.2.1 ", "update", "token NAME", "export"]);
}

#[test]
fn the_pages_tell_of_every_client_that_nic53_setup_has_and_of_no_other() {
    let mut told = BTreeSet::new();
    for page in pages() {
        let whole = fs::read_to_string(root(&page)).expect("a page");
        for command in commands_of(&whole) {
            let mut words = command.split_whitespace();
            let (Some("setup"), Some(client)) = (words.next(), words.next()) else { continue };
            // `DEVICE` stands for any.
            if client.starts_with(|first: char| first.is_ascii_lowercase()) {
                told.insert(client.to_owned());
            }
        }
    }
    assert_eq!(told, RECIPES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

/// A file that no module names is not compiled, and its tests pass unseen.
#[test]
fn every_file_of_tests_is_a_module() {
    let main = fs::read_to_string(root("tests/it/main.rs")).expect("main.rs");
    for entry in fs::read_dir(root("tests/it")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_module = main.lines().any(|line| line == format!("mod {name};"));
        assert!(is_module || name == "main", "tests/it/main.rs: `mod {name};` is missing");
    }
}

#[test]
fn the_page_of_the_tests_lists_every_file() {
    let page = Page::read("tests/README.md").text;
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let listed: BTreeSet<&str> = rows.map(|(name, _)| name).filter(|name| !name.contains(char::is_uppercase)).collect();
    let mut names = BTreeSet::new();
    for folder in ["tests/it", "tests/it/support"] {
        for entry in fs::read_dir(root(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension() == Some("rs".as_ref()) {
                names.insert(path.file_stem().expect("a name").to_string_lossy().into_owned());
            }
        }
    }
    names.retain(|name| !["main", "mod"].contains(&&**name));
    for entry in fs::read_dir(root("tests/browser")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension() == Some("py".as_ref()) {
            names.insert(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    assert_eq!(listed, names.iter().map(String::as_str).collect());
}

#[test]
fn the_layout_lists_every_room() {
    let page = Page::read("docs/design.md").text;
    let (_, layout) = page.split_once("## Layout").expect("a layout");
    for entry in fs::read_dir(root("src")).expect("src") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_listed = ["/`", ".rs`"].iter().any(|end| layout.contains(&format!("`src/{name}{end}")));
        assert!(is_listed || name == "lib", "docs/design.md: the layout lacks `src/{name}`");
    }
}

/// The variables that the program reads, and their defaults: those of the gateway from their table,
/// the others from the help texts.
fn variables() -> BTreeMap<String, String> {
    let default = |text: &str| {
        let value = text.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
        value.map_or("none", |(value, _)| value).to_owned()
    };
    let mut variables: BTreeMap<String, String> = VARIABLES
        .iter()
        .chain(&FLEET_VARIABLES)
        .map(|variable| (variable.name.to_owned(), default(variable.help)))
        .collect();
    for command in ["serve", "token", "setup", "check", "update", "export"] {
        let help = help_of(command);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for rest in help.split("NIC53_").skip(1) {
            let end = rest.find(|letter: char| !(letter.is_ascii_uppercase() || letter == '_')).unwrap_or(rest.len());
            // `[env: NIC53_HTTP=] [default: 127.0.0.1:8053]`
            let default = rest[end..].strip_prefix("=] [default: ").and_then(|rest| rest.split_once(']'));
            let default = default.map_or("none", |(value, _)| value).to_owned();
            variables.entry(format!("NIC53_{}", &rest[..end])).or_insert(default);
        }
    }
    variables
}

/// What `nic53` prints for `--help` of a command.
fn help_of(command: &str) -> String {
    let words = [command, "--help"].into_iter().filter(|word| !word.is_empty());
    let help = Command::new(env!("CARGO_BIN_EXE_nic53")).args(words).env_clear().output();
    String::from_utf8(help.expect("nic53 runs").stdout).expect("text")
}

/// The commands of `nic53` that a page shows, without the program: in its fenced blocks and between backticks,
/// up to where the shell goes on with something else.
fn commands_of(page: &str) -> Vec<String> {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    for (number, part) in page.split("```").enumerate() {
        match number % 2 {
            0 => prose.push_str(part),
            _ => blocks.extend(part.replace("\\\n", " ").lines().skip(1).map(str::to_owned)),
        }
    }
    let spans = prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "));
    let lines = blocks.into_iter().chain(spans);
    // Settings, a prompt, a time of cron or a path may stand before it.
    let may_precede = |word: &str| word.contains(['=', '/']) || !word.contains(char::is_alphabetic);
    let typed = |line: String| {
        // A path may end like the program.
        let mut ends = line.match_indices("nic53 ").map(|(at, word)| (at, at + word.len()));
        let (at, end) = ends.find(|(_, end)| !line[*end..].starts_with("nic53 "))?;
        let (before, command) = (&line[..at], &line[end..]);
        let before = before.rsplit([';', '\'', '|', '&']).next().unwrap_or_default();
        let is_typed = before.split_whitespace().all(may_precede) && !before.ends_with(char::is_alphanumeric);
        // The first start says where it listens.
        let is_command =
            command.starts_with(|first: char| first.is_ascii_lowercase()) && !command.starts_with("listening");
        let end = command.find(['|', ';', '>', '\'', '#', '`']).unwrap_or(command.len());
        (is_typed && is_command).then(|| command[..end].to_owned())
    };
    lines.filter_map(typed).collect()
}

/// A page of the documentation, its fenced blocks left out.
struct Page {
    /// The prose and the tables.
    text: String,
    /// The reference definitions: label and target.
    definitions: BTreeMap<String, String>,
}

/// A link to a file of this repository.
struct Link {
    /// The text, or the label of a reference.
    text: String,
    /// A path, an anchor, or both.
    target: String,
}

/// A text in square brackets.
struct Bracket<'a> {
    /// The text.
    text: &'a str,
    /// What stands behind it.
    after: After<'a>,
}

/// What stands behind a text in square brackets.
enum After<'a> {
    /// `(target)`.
    Inline(&'a str),
    /// `[label]`.
    Label(&'a str),
    /// Neither: the text is the label.
    Nothing,
}

impl Page {
    /// Reads a page.
    fn read(page: &str) -> Self {
        let whole = fs::read_to_string(root(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let (mut text, mut definitions, mut fenced) = (String::new(), BTreeMap::new(), false);
        for line in whole.lines() {
            let definition = || line.strip_prefix('[')?.split_once("]: ");
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if let Some((label, target)) = definition().filter(|_| !fenced) {
                let twice = definitions.insert(label.to_owned(), target.trim().to_owned());
                assert!(twice.is_none(), "{page}: [{label}] is defined twice");
            } else if !fenced {
                text.push_str(line);
                text.push('\n');
            }
        }
        Self { text, definitions }
    }

    /// All links to files of this repository.
    fn links(&self) -> Vec<Link> {
        let inline = brackets(&self.text).into_iter().filter_map(|bracket| match bracket.after {
            After::Inline(target) => Some(Link { text: bracket.text.to_owned(), target: target.to_owned() }),
            After::Label(_) | After::Nothing => None,
        });
        let defined =
            self.definitions.iter().map(|(label, target)| Link { text: label.clone(), target: target.clone() });
        inline.chain(defined).filter(|link| !link.target.contains("://")).collect()
    }
}

impl<'a> Bracket<'a> {
    /// The label that has to be defined, of an inline link its text.
    fn label(&self) -> &'a str {
        match self.after {
            After::Label(label) => label,
            After::Inline(_) | After::Nothing => self.text,
        }
    }
}

/// The texts in square brackets outside code.
fn brackets(text: &str) -> Vec<Bracket<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = outside_code(rest, '[') {
        rest = &rest[start + 1..];
        let Some(end) = outside_code(rest, ']') else { break };
        let (text, behind) = (&rest[..end], &rest[end + 1..]);
        let until = |open: char, close| behind.strip_prefix(open)?.split_once(close);
        let (after, behind) = if let Some((target, behind)) = until('(', ')') {
            (After::Inline(target), behind)
        } else if let Some((label, behind)) = until('[', ']') {
            (After::Label(label), behind)
        } else {
            (After::Nothing, behind)
        };
        found.push(Bracket { text, after });
        rest = behind;
    }
    found
}

/// Where a character first stands outside a code span.
fn outside_code(text: &str, wanted: char) -> Option<usize> {
    let mut in_code = false;
    text.char_indices().find_map(|(index, letter)| {
        in_code ^= letter == '`';
        (letter == wanted && !in_code).then_some(index)
    })
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

/// The Markdown pages of the repository, as paths from its root.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "protocol-tests", "tests", "fuzz", "src/recipes"] {
        let entries = fs::read_dir(root(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        // The other pages there are recipes, in a form of their own.
        let is_page = |name: &String| folder != "src/recipes" || name == "README.md";
        let markdown = names.filter(|name| Path::new(name).extension() == Some("md".as_ref())).filter(is_page);
        pages.extend(markdown.map(|name| Path::new(folder).join(name).to_string_lossy().into_owned()));
    }
    assert!(pages.len() >= 12, "{pages:?}");
    pages
}

/// A path from the repository's root.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
