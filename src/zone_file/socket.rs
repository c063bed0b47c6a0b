//! The way to the records while a server has them open: a socket beside their file.
//!
//! The client sends one line, the name of a zone or nothing for all, and reads the zone files or one
//! line that says why there are none. It takes all in before it passes any of it on: neither is the
//! server kept waiting by whoever reads slowly, nor is half a zone ever taken for a whole one.

use std::{
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{net::UnixListener, task::spawn_blocking, time::sleep};

use super::{BEGIN, END, write_zones};
use crate::{
    hostname::HostName,
    store::{Error, embedded::Embedded},
    zone::Zones,
};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of the line that is asked with.
const LINE: u64 = 512;

/// Writes the file of a zone, or those of all, as the server has them that has the folder open, or
/// where there is none, as they are in the folder.
///
/// # Errors
///
/// Where there are no records in the folder or no such zone, and where the text could not be had or
/// not be written.
pub fn export(data: &Path, zones: Zones, zone: Option<&HostName>, out: &mut impl Write) -> Result<(), Error> {
    let path = socket(data);
    let text = match UnixStream::connect(&path) {
        Ok(server) => ask(server, zone).map_err(|error| failed(&path, &error))?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            if !Embedded::is_in(data) {
                return Err(Error(format!("{}: no records: expected the folder of `nic53 serve`", data.display())));
            }
            let mut text = Vec::new();
            write_zones(&Embedded::open(data, zones)?, zone, &mut text)?;
            text
        }
        Err(error) => return Err(failed(&path, &error)),
    };
    let last = text.trim_ascii_end().rsplit(|&octet| octet == b'\n').next().unwrap_or_default();
    if !text.starts_with(BEGIN.as_bytes()) || !last.starts_with(END.as_bytes()) {
        // What the server said, or nothing, where it was stopped.
        let said = String::from_utf8_lossy(last);
        return Err(Error(format!("{}: no whole zone came: {said}", path.display())));
    }
    out.write_all(&text).and_then(|()| out.flush()).map_err(|error| Error(format!("could not write the zone: {error}")))
}

/// The socket of a server, which is removed when this is dropped.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

/// Listens in the folder of a store that this process has open: what is left there of a socket is
/// one that nobody listens on.
///
/// # Errors
///
/// Where there can be no socket.
pub fn listen(data: &Path) -> Result<Listener, Error> {
    let path = socket(data);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(|error| failed(&path, &error))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| failed(&path, &error))?;
    Ok(Listener { listener, path })
}

/// Answers whoever connects, until `stop` is there.
pub async fn serve(listener: Listener, store: Arc<Embedded>, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            accepted = listener.listener.accept() => match accepted.and_then(|(client, _)| client.into_std()) {
                Ok(client) => {
                    let store = Arc::clone(&store);
                    // A client that broke off is no news.
                    spawn_blocking(move || answer(client, &store).ok());
                }
                // Out of descriptors, as a rule: others will be closed soon.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Asks a server for the file of a zone, or of all.
fn ask(mut server: UnixStream, zone: Option<&HostName>) -> io::Result<Vec<u8>> {
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(format!("{}\n", zone.map_or("", HostName::as_str)).as_bytes())?;
    let mut text = Vec::new();
    server.read_to_end(&mut text)?;
    Ok(text)
}

/// Answers one client.
fn answer(client: UnixStream, store: &Embedded) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&client).take(LINE)).read_line(&mut line)?;
    let mut out = BufWriter::new(&client);
    let zone = match line.trim() {
        "" => Ok(None),
        zone => zone.parse().map(Some).map_err(|_| Error(format!("`{zone}`: expected the name of a zone"))),
    };
    if let Err(error) = zone.and_then(|zone| write_zones(store, zone.as_ref(), &mut out)) {
        writeln!(out, "{error}")?;
    }
    out.flush()
}

/// The socket in a folder.
fn socket(data: &Path) -> PathBuf {
    data.join("export.sock")
}

/// What is said where the socket does not do its work.
fn failed(path: &Path, error: &io::Error) -> Error {
    Error(format!("{}: {error}", path.display()))
}
