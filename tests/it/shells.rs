//! What `nic53 completions` prints, used by the shells it is for, and the manual pages.

use std::fs;

use crate::support::process::{Finished, program};

const NIC53: &str = env!("CARGO_BIN_EXE_nic53");

/// What is typed before the tab, and words that are then offered.
const OFFERED: [(&str, &[&str]); 11] = [
    ("nic53 se", &["serve", "setup"]),
    ("nic53 setup frit", &["fritzbox"]),
    ("nic53 setup dd", &["dd-wrt", "ddclient3", "ddclient4", "ddupdate"]),
    ("nic53 serve --store ", &["embedded", "route53"]),
    ("nic53 serve --allow-", &["--allow-private", "--allow-offline"]),
    ("nic53 check --js", &["--json"]),
    ("nic53 update --dry", &["--dry-run"]),
    ("nic53 completions z", &["zsh"]),
    ("nic53 update home.example.org --max", &["--max-age"]),
    ("nic53 setup fritzbox home.example.org --ur", &["--url"]),
    ("nic53 check https://dyn.example.org home.example.org --js", &["--json"]),
];

#[test]
fn bash_offers_what_can_follow() {
    let script = r#"
        source <("$NIC53" completions bash)
        while read -r typed; do
            read -ra COMP_WORDS <<<"$typed"
            [[ $typed == *. ]] && COMP_WORDS[-1]=
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _nic53 nic53 "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[*]}"
        done"#;
    offers(&shell("bash", &["--norc"], script));
}

#[test]
fn fish_offers_what_can_follow() {
    let script = r"
        $NIC53 completions fish | source
        while read typed
            set offered (complete -C (string replace ' .' ' ' $typed) | string replace -r '\t.*' '')
            echo $offered
        end";
    offers(&shell("fish", &["--no-config"], script));
}

/// A shell with a terminal, in which `nic53` prints its arguments. A list of several is not a line, so only what is
/// unique is typed.
#[test]
fn zsh_completes_what_is_unique() {
    let script = r#"
        "$NIC53" completions zsh >_nic53
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PS1=; stty -echo; unsetopt zle_bracketed_paste; setopt no_beep; fpath=($PWD \$fpath)
            autoload -Uz compinit; compinit -u -D; nic53() { print -r -- \"typed: \$* END\" }"
        while IFS= read -r typed; do
            zpty -w -n shell "${typed% .}"$'\t\n'
            zpty -r shell out '*typed: *END'
            print -r -- "${out##*typed: }"
        done"#;
    let finished = shell("zsh", &["-f"], script);
    let expected: Vec<String> = OFFERED
        .iter()
        .map(|(typed, words)| {
            let typed = typed.trim_start_matches("nic53 ");
            let (before, _) = typed.rsplit_once(' ').unwrap_or(("", typed));
            let unique = words.len() == 1;
            let last = if unique { words[0] } else { typed.trim_start_matches(before).trim() };
            [before, last, "END"].join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    let seen: Vec<&str> = finished.stdout.lines().map(str::trim).collect();
    assert_eq!(seen, expected, "{finished:?}");
}

/// Every setting of the page is on the page of a command, and the page says by which variable it can be given.
#[test]
fn the_manual_names_the_variable_of_every_setting() {
    let finished = program("sh")
        .args(&["-ec", &format!("{NIC53} man pages; cat pages/nic53-serve.1 pages/nic53-setup.1; ls pages >&2")])
        .start()
        .finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let page = fs::read_to_string("docs/settings.md").expect("the page of settings");
    // Fleet mode is the Lambda function's alone, which has no flags.
    let page = page.split("\n## ").filter(|section| !section.starts_with("Fleet")).collect::<Vec<_>>().join("\n");
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `NIC53_")?.split('`').next()).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for name in rows {
        let name = format!("NIC53_{name}");
        let forms = [format!("\\fB{name}\\fR environment variable"), format!("`{name}`")];
        assert!(forms.iter().any(|form| finished.stdout.contains(form)), "{name} is not in {}", finished.stdout);
    }
    // No page wraps an example.
    let section = finished.stdout.split(".SH EXAMPLES\n").nth(1).expect("examples");
    assert!(section.starts_with(".nf\n"), "{section}");
}

/// Runs a script of a shell with what is typed on its standard input.
fn shell(shell: &str, flags: &[&str], script: &str) -> Finished {
    let typed: String =
        OFFERED.map(|(typed, _)| format!("{}{}\n", typed, if typed.ends_with(' ') { "." } else { "" })).concat();
    let run = format!("exec {shell} {} script <typed", flags.join(" "));
    program("sh")
        .settings(&[("NIC53", NIC53)])
        .file("script", script)
        .file("typed", &typed)
        .args(&["-c", &run])
        .start()
        .finish()
}

/// Asserts that each line offers its words, and in the order in which they were typed.
#[track_caller]
fn offers(finished: &Finished) {
    let lines: Vec<Vec<&str>> = finished.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), OFFERED.len(), "{finished:?}");
    for ((typed, words), line) in OFFERED.iter().zip(&lines) {
        for word in *words {
            assert!(line.contains(word), "{typed}: {word} is not in {line:?}");
        }
    }
}
