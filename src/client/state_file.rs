//! The file of what is remembered: small JSON without any secret, for one process at a time.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::state::ClientState;
use crate::files::write_atomically;

/// The name of the file in its folder.
const NAME: &str = "update.json";

/// The state file, locked against other processes while this lives.
pub struct StateFile {
    /// The path of the file.
    path: PathBuf,
    /// The lock.
    _lock: File,
}

impl StateFile {
    /// Waits until no other process has the file, and locks it.
    ///
    /// # Errors
    ///
    /// If its folder cannot be written to.
    pub fn take(folder: &Path) -> Result<Self, String> {
        let expected = "expected a folder that you may write, or another $XDG_STATE_HOME";
        let problem = |error: io::Error| {
            format!("{}: {error}: nothing is remembered until the next run: {expected}", folder.display())
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(problem)?;
        let mut lock = OpenOptions::new();
        let lock = lock.write(true).create(true).truncate(false).mode(0o600);
        let lock = lock.open(folder.join("update.lock")).map_err(problem)?;
        lock.lock().map_err(problem)?;
        Ok(Self { path: folder.join(NAME), _lock: lock })
    }

    /// Reads it; nothing if it is not there yet.
    ///
    /// # Errors
    ///
    /// If it cannot be read or makes no sense.
    pub fn read(&self) -> Result<ClientState, String> {
        read(&self.path)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// If that fails; the file is then as it was.
    pub fn write(&self, state: &ClientState) -> Result<(), String> {
        let json = serde_json::to_vec_pretty(state).map_err(|error| error.to_string())?;
        write_atomically(&self.path, &json)
            .map_err(|error| format!("{}: {error}: expected space to write", self.path.display()))
    }
}

/// Reads the state file of a folder without locking it.
///
/// # Errors
///
/// If it cannot be read or makes no sense.
pub fn peek(folder: &Path) -> Result<ClientState, String> {
    read(&folder.join(NAME))
}

/// Reads a file; nothing if it is not there.
fn read(path: &Path) -> Result<ClientState, String> {
    let path_shown = path.display();
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| {
            format!("{path_shown}: {error}: expected what nic53 writes; it starts again from nothing")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ClientState::default()),
        Err(error) => Err(format!("{path_shown}: {error}: nothing is remembered: expected a file that you may read")),
    }
}

/// The folder for state: `$XDG_STATE_HOME/nic53`, else `/var/lib/nic53` of root and
/// `~/.local/state/nic53` of everyone else.
///
/// # Errors
///
/// If there is no `$HOME`.
pub fn folder() -> Result<PathBuf, String> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = named("XDG_STATE_HOME") {
        return Ok(state.join("nic53"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/nic53"));
    }
    let home = named("HOME").ok_or("neither $XDG_STATE_HOME nor $HOME is set: expected one of them")?;
    Ok(home.join(".local/state/nic53"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{
        super::{
            host::Host,
            settings::{HostSettings, Setting},
            state::MaxWait,
        },
        *,
    };

    #[test]
    fn the_file_has_all_of_it_and_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/nic53");
        let mut state = ClientState::default();
        let setting = |text| Some(Setting::new(text, "test"));
        let settings = HostSettings { url: setting("https://gw"), token: setting("s3cr3t"), ..HostSettings::default() };
        let host: Host = settings.host("a.example.org".parse().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let answered: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let asked = serde_json::from_str(r#"{"v4":["192.0.2.1"],"v6":["2001:db8::7"]}"#).unwrap();
        state.updated(&host, &asked, &answered, 1000);
        state.failed(&host, "dnserr", MaxWait::Refusing, 1000);
        state.saw(&host.url, "192.0.2.1".parse().unwrap(), 1000);
        let file = StateFile::take(&folder).unwrap();
        assert_eq!(file.read(), Ok(ClientState::default()));
        file.write(&state).unwrap();
        assert_eq!(file.read().as_ref(), Ok(&state));
        assert_eq!(peek(&folder).as_ref(), Ok(&state));
        let text = fs::read_to_string(folder.join("update.json")).unwrap();
        assert!(!text.contains("s3cr3t"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_called_damaged() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("update.json")).unwrap();
        let error = peek(folder.path()).unwrap_err();
        let expected = "nothing is remembered: expected a file that you may read";
        assert!(error.contains("update.json: Is a directory") && error.ends_with(expected), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state"), "").unwrap();
        let error = StateFile::take(&folder.path().join("state/nic53")).err().unwrap();
        let follows = "nothing is remembered until the next run: expected a folder that you may write";
        assert!(error.contains("state/nic53: Not a directory") && error.contains(follows), "{error}");
    }

    #[test]
    fn a_damaged_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::take(folder.path()).unwrap();
        for damaged in ["", "{", "7", "{\"gateways\": 1}"] {
            fs::write(folder.path().join("update.json"), damaged).unwrap();
            let error = file.read().unwrap_err();
            assert!(error.contains("update.json") && error.contains("starts again"), "{damaged}: {error}");
        }
    }
}
