//! `nic53 export` while a server has the records open: it asks the server over a socket next to their
//! file.
//!
//! The client sends one line, the name of a zone or nothing for all zones. It reads the zone files, or
//! one line with an error. It reads everything before it prints anything, so that a slow reader does
//! not hold up the server, and nobody takes half a zone for a whole one.

use std::{
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{net::UnixListener, sync::Semaphore, task::spawn_blocking, time::sleep};

use super::{
    name_server::NameServer,
    zone_file::{BEGIN, END, write_zones},
};
use crate::{
    problem::Problem,
    protocol::{hostname::HostName, zone::Zones},
    store::embedded::Embedded,
};

/// How long each side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients that are answered at a time. Others wait.
const CLIENTS: usize = 8;
/// The most octets of a client's line.
const MAX_LINE: u64 = 512;

/// Writes the file of a zone, or those of all zones. Asks the server that has the folder open; if
/// there is none, reads the folder.
///
/// # Errors
///
/// If the folder has no records, there is no such zone, or the text cannot be read or written.
pub fn export(
    data: &Path,
    zones: Zones,
    name_server: &NameServer,
    zone: Option<&HostName>,
    out: &mut impl Write,
) -> Result<(), Problem> {
    let path = socket(data);
    let text = match UnixStream::connect(&path) {
        Ok(server) => ask(&server, zone).map_err(|error| failed(&path, &error))?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            if !Embedded::is_in(data) {
                return Err(Problem(format!("{}: no records: expected the folder of `nic53 serve`", data.display())));
            }
            let mut text = Vec::new();
            write_zones(&Embedded::open(data, zones)?, name_server, zone, &mut text)?;
            text
        }
        Err(error) => return Err(failed(&path, &error)),
    };
    let last = text.trim_ascii_end().rsplit(|&octet| octet == b'\n').next().unwrap_or_default();
    if !text.starts_with(BEGIN.as_bytes()) || !last.starts_with(END.as_bytes()) {
        // The server's error, or nothing if it was stopped.
        let problem = String::from_utf8_lossy(last);
        return Err(Problem(format!("{}: the zone did not arrive whole: {problem}", path.display())));
    }
    out.write_all(&text)
        .and_then(|()| out.flush())
        .map_err(|error| Problem(format!("could not write the zone: {error}")))
}

/// The socket of a server. Dropped, it is removed.
pub struct Listener {
    /// The socket.
    listener: UnixListener,
    /// Its path.
    path: PathBuf,
}

/// Listens in the folder of a store that this process has open. Since only one process can have it
/// open, a socket that is already there was left behind, and is removed.
///
/// # Errors
///
/// If the socket cannot be made.
///
/// # Panics
///
/// Outside of a Tokio runtime.
pub fn listen(data: &Path) -> Result<Listener, Problem> {
    let path = socket(data);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(|error| failed(&path, &error))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| failed(&path, &error))?;
    Ok(Listener { listener, path })
}

/// Answers clients until `stop` is ready.
pub async fn serve(listener: Listener, store: Arc<Embedded>, name_server: NameServer, stop: impl Future<Output = ()>) {
    tokio::select! {
        () = stop => {}
        () = accept(&listener.listener, &store, &name_server) => {}
    }
}

/// Accepts clients forever, and answers up to [`CLIENTS`] at a time.
async fn accept(listener: &UnixListener, store: &Arc<Embedded>, name_server: &NameServer) {
    let permits = Arc::new(Semaphore::new(CLIENTS));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        match listener.accept().await.and_then(|(client, _)| client.into_std()) {
            Ok(client) => {
                let (store, name_server) = (Arc::clone(store), name_server.clone());
                spawn_blocking(move || {
                    // A client that hangs up is not worth a log line.
                    answer(&client, &store, &name_server).ok();
                    drop(permit);
                });
            }
            // Usually there are no descriptors left. Some will be free soon.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Asks a server for the file of a zone, or of all zones.
fn ask(mut server: &UnixStream, zone: Option<&HostName>) -> io::Result<Vec<u8>> {
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(format!("{}\n", zone.map_or("", HostName::as_str)).as_bytes())?;
    let mut text = Vec::new();
    server.read_to_end(&mut text)?;
    Ok(text)
}

/// Answers one client.
fn answer(client: &UnixStream, store: &Embedded, name_server: &NameServer) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(client.take(MAX_LINE)).read_line(&mut line)?;
    let mut out = BufWriter::new(client);
    let zone = match line.trim() {
        "" => Ok(None),
        zone => zone.parse().map(Some).map_err(|_| Problem(format!("`{zone}`: expected the name of a zone"))),
    };
    if let Err(error) = zone.and_then(|zone| write_zones(store, name_server, zone.as_ref(), &mut out)) {
        writeln!(out, "{error}")?;
    }
    out.flush()
}

/// The socket in a folder.
fn socket(data: &Path) -> PathBuf {
    data.join("export.sock")
}

/// The error for a socket that does not work.
fn failed(path: &Path, error: &io::Error) -> Problem {
    Problem(format!("{}: {error}: expected the folder of `nic53 serve`, which you may read", path.display()))
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::embedded::testing::{block_on, change};

    const ZONES: &str = "example.org=Z1,example.com=Z2";

    fn zones() -> Zones {
        Zones::parse(ZONES).unwrap()
    }

    /// A folder with one record.
    fn filled() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path(), zones()).unwrap();
        block_on(change(&store, &["a.example.org 60 A 192.0.2.1"])).unwrap();
        folder
    }

    /// The exported text.
    fn exported(data: &Path, zone: Option<&str>) -> Result<String, Problem> {
        let mut text = Vec::new();
        let zone = zone.map(|zone| zone.parse().unwrap());
        export(data, zones(), &NameServer::default(), zone.as_ref(), &mut text)?;
        Ok(String::from_utf8(text).unwrap())
    }

    /// Runs something while a server has the folder open, in a thread of its own.
    fn while_served<T: Send + 'static>(data: &Path, what: impl FnOnce(&Path) -> T + Send + 'static) -> T {
        let store = Arc::new(Embedded::open(data, zones()).unwrap());
        let data = data.to_owned();
        block_on(async {
            let listener = listen(&data).unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let server = tokio::spawn(serve(listener, store, NameServer::default(), async {
                stopped.await.unwrap_or_default();
            }));
            let done = spawn_blocking(move || what(&data)).await.unwrap();
            stop.send(()).unwrap();
            server.await.unwrap();
            done
        })
    }

    #[test]
    fn zones_are_exported_with_and_without_a_server() {
        let folder = filled();
        let at_rest = exported(folder.path(), Some("example.org")).unwrap();
        assert!(at_rest.contains("\na\t60\tIN\tA\t192.0.2.1\n"), "{at_rest}");
        let all_at_rest = exported(folder.path(), None).unwrap();
        let (served, all_served, mode) = while_served(folder.path(), |data| {
            let mode = fs::metadata(socket(data)).unwrap().permissions().mode();
            (exported(data, Some("example.org")).unwrap(), exported(data, None).unwrap(), mode)
        });
        assert_eq!((served, all_served), (at_rest, all_at_rest));
        assert_eq!(mode & 0o777, 0o600);
        assert!(!socket(folder.path()).exists());
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced() {
        let folder = filled();
        drop(std::os::unix::net::UnixListener::bind(socket(folder.path())).unwrap());
        assert!(exported(folder.path(), None).is_ok());
        assert!(while_served(folder.path(), |data| exported(data, None)).is_ok());
    }

    #[test]
    fn an_error_says_why_nothing_is_exported() {
        let folder = filled();
        let empty = tempfile::tempdir().unwrap();
        let missing = empty.path().join("none");
        for data in [empty.path(), &missing] {
            let error = exported(data, None).unwrap_err().0;
            assert!(error.ends_with("no records: expected the folder of `nic53 serve`"), "{error}");
        }
        assert!(!missing.exists() && fs::read_dir(empty.path()).unwrap().next().is_none());

        let expected = "example.net: expected one of the configured zones";
        let error = exported(folder.path(), Some("example.net")).unwrap_err().0;
        assert!(error.contains(expected), "{error}");
        let error = while_served(folder.path(), |data| exported(data, Some("example.net"))).unwrap_err().0;
        assert!(error.contains(expected), "{error}");
        let answer = while_served(folder.path(), |data| {
            let mut client = UnixStream::connect(socket(data)).unwrap();
            client.write_all(b"no zone\n").unwrap();
            io::read_to_string(client).unwrap()
        });
        assert_eq!(answer, "`no zone`: expected the name of a zone\n");
    }

    #[test]
    fn half_a_zone_is_refused() {
        let folder = filled();
        let listener = std::os::unix::net::UnixListener::bind(socket(folder.path())).unwrap();
        for half in ["", "; zone example.org\n$ORIGIN example.org.\n", "x"] {
            let exported = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut client, _) = listener.accept().unwrap();
                    client.read_exact(&mut [0]).unwrap();
                    client.write_all(half.as_bytes()).unwrap();
                });
                exported(folder.path(), None)
            });
            assert!(exported.unwrap_err().0.contains("the zone did not arrive whole"), "{half}");
        }
    }
}
