//! The signals that `nic53 serve` handles.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::problem::Problem;

/// The signals that stop the server.
pub(super) struct StopSignal {
    /// SIGTERM.
    terminate: Signal,
    /// SIGINT.
    interrupt: Signal,
}

impl StopSignal {
    /// Catches both from now on.
    pub(super) fn listen() -> Result<Self, Problem> {
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    /// Waits for either.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Catches SIGXFSZ, so that a write beyond the limit of a file's size fails, as on a full disk, instead of ending the
/// process.
pub(super) fn catch_file_limit() -> Result<Signal, Problem> {
    catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
}

/// Catches a signal from now on.
fn catch(kind: SignalKind) -> Result<Signal, Problem> {
    signal(kind).map_err(|error| Problem(format!("could not listen for signals: {error}")))
}
