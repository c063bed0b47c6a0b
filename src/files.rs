//! Files of our own: written whole or not at all, and readable by their owner alone.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// The mode of a file that only its owner may read and write.
pub(crate) const PRIVATE: u32 = 0o600;

/// Writes a file, whole or not at all, even if the power fails meanwhile. It is made next to its
/// place, with the extension `new`.
///
/// # Errors
///
/// If it could not be written, or if something that is not a draft of ours has the draft's name. What
/// was at `path` is then still there.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = create_anew(&draft)?;
    let written = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, path));
    if let Err(error) = written {
        // Without room, the draft would take some of it.
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Makes a file that only its owner may read and write. What is left of an attempt that was cut
/// short is removed first.
///
/// # Errors
///
/// If it could not be made, or if something else has its name: a link, another user's file, or a
/// file that others may read. Whoever made that could read what is written.
pub(crate) fn create_anew(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if is_private(&found) => fs::remove_file(path)?,
        Ok(found) => {
            let expected = "expected a file of this user with mode 0600, or none: remove it";
            return Err(io::Error::other(format!("{} is there, {}: {expected}", path.display(), described(&found))));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // O_EXCL: nothing that came in between is opened, nor what a link names.
    OpenOptions::new().read(true).write(true).create_new(true).mode(PRIVATE).open(path)
}

/// Makes the name of a file durable.
///
/// # Errors
///
/// If its folder could not be synced.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// What it is, whose, and who may use it: `a file of user 1000 with mode 0644`.
pub(crate) fn described(found: &Metadata) -> String {
    let kind = match found.file_type() {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a folder",
        kind if kind.is_file() => "a file",
        _ => "a special file",
    };
    format!("{kind} of user {} with mode {:04o}", found.uid(), found.mode() & 0o7777)
}

/// Whether it belongs to the user that this process runs as.
pub(crate) fn is_own(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// Whether it is a file of ours that nobody else may read or write.
pub(crate) fn is_private(found: &Metadata) -> bool {
    found.is_file() && is_own(found) && found.mode() & 0o777 == PRIVATE
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_written_anew_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        // What a power cut left of the last attempt.
        drop(create_anew(&folder.path().join("secret.new")).unwrap());
        for content in ["first", "second, longer", "third"] {
            write_atomically(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, PRIVATE);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_somebody_else_may_have_made_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, draft) = (folder.path().join("secret"), folder.path().join("secret.new"));
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "kept").unwrap();
        fs::set_permissions(&elsewhere, PermissionsExt::from_mode(PRIVATE)).unwrap();
        let refused = |says: &str| {
            let error = write_atomically(&path, b"secret").unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("secret.new") && error.contains("expected"), "{error}");
            assert!(!path.exists() && fs::read_to_string(&elsewhere).unwrap() == "kept");
        };
        symlink(&elsewhere, &draft).unwrap();
        refused("a symbolic link of user");
        fs::remove_file(&draft).unwrap();
        fs::write(&draft, "").unwrap();
        fs::set_permissions(&draft, PermissionsExt::from_mode(0o644)).unwrap();
        refused("with mode 0644");
        fs::remove_file(&draft).unwrap();
        fs::create_dir(&draft).unwrap();
        refused("a folder of user");
    }
}
