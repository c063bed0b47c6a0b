//! Whether a command may run that a file names: only if nobody else could have written it there.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::files::described;

/// Root's user id.
const ROOT: u32 = 0;

/// The bit of a folder in which users may rename and remove only their own files.
const STICKY: u32 = 0o1000;

/// Checks that a command may run which a file names. `origin` is the file, the line and the setting.
///
/// # Errors
///
/// If others could have written the command: whose the file or its folder is, and its mode.
pub fn trust_command_of(path: &Path, file: &Metadata, origin: &str) -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    let refuse = |found: &Metadata, path: &Path| {
        let expected = "expected one that belongs to you or to root, and that nobody else may write";
        let fix = format!("chown {user} {path} && chmod go-w {path}", path = path.display());
        format!(
            "{origin}: others may change the command: {} is {}: {expected}: {fix}",
            path.display(),
            described(found)
        )
    };
    if is_open(file, user) {
        return Err(refuse(file, path));
    }
    // Whoever may write the folder can put another file there.
    let folder = fs::canonicalize(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    let folder = folder.and_then(|folder| Some((fs::metadata(&folder).ok()?, folder)));
    match folder {
        Some((found, folder)) if found.mode() & STICKY == 0 && is_open(&found, user) => Err(refuse(&found, &folder)),
        Some(_) | None => Ok(()),
    }
}

/// Whether somebody other than this user and root may write it.
fn is_open(found: &Metadata, user: u32) -> bool {
    is_open_to_others(found.uid(), found.mode(), user)
}

/// The same of an owner and a mode. What a group may write is for others if root runs it; another user
/// may have a group of their own.
fn is_open_to_others(owner: u32, mode: u32, user: u32) -> bool {
    let others = if user == ROOT { 0o022 } else { 0o002 };
    (owner != user && owner != ROOT) || mode & others != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_or_for_everybody_is_open() {
        for (owner, mode, user, open) in [
            (ROOT, 0o100_600, ROOT, false),
            (ROOT, 0o100_644, ROOT, false),
            (ROOT, 0o100_664, ROOT, true),
            (ROOT, 0o100_646, ROOT, true),
            (1000, 0o100_600, ROOT, true),
            (1000, 0o100_600, 1000, false),
            (1000, 0o100_664, 1000, false),
            (1000, 0o100_666, 1000, true),
            (ROOT, 0o100_644, 1000, false),
            (1001, 0o100_600, 1000, true),
        ] {
            assert_eq!(is_open_to_others(owner, mode, user), open, "{owner} {mode:o} {user}");
        }
    }
}
