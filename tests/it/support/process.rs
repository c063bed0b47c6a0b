//! Programs as a person runs them: `nic53 serve`, and whatever talks to it.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::captured;
use tempfile::TempDir;

/// `nic53 serve` on ports of the system's choice.
pub struct Nic53 {
    /// Its HTTP address, `127.0.0.1:PORT`.
    pub http: String,
    /// Its DNS address, if it serves DNS.
    pub dns: Option<String>,
    /// The running server.
    process: Process,
    /// Environment variables, for `token` too.
    settings: Vec<(String, String)>,
}

impl Nic53 {
    /// Starts it with these environment variables and flags, and waits until it listens.
    pub fn serve(settings: &[(&str, &str)], flags: &[&str]) -> Self {
        Self::serve_by(program(env!("CARGO_BIN_EXE_nic53")), settings, flags)
    }

    /// The same, started by a program that becomes what follows it: a shell that sets limits first.
    pub fn serve_by(starter: Program, settings: &[(&str, &str)], flags: &[&str]) -> Self {
        let process = starter.settings(settings).args(&["serve", "--http", "127.0.0.1:0"]).args(flags).start();
        let (http, dns) = process.wait_for("its addresses", |streams| listening(&streams.stdout));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { http, dns, process, settings: settings.iter().map(owned).collect() }
    }

    /// What `nic53 token` prints for `HOST`, or `HOST --subtree`, under the same settings.
    pub fn token(&self, arguments: &[&str]) -> String {
        let settings: Vec<_> = self.settings.iter().map(|(n, v)| (&**n, &**v)).collect();
        let finished =
            program(env!("CARGO_BIN_EXE_nic53")).settings(&settings).args(&["token"]).args(arguments).start().finish();
        assert_eq!(finished.code, Some(0), "nic53 token: {finished:?}");
        finished.stdout.trim().to_owned()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.process.streams().stderr
    }

    /// Waits for a line of its log that holds all of these words.
    pub fn logged(&self, words: &[&str]) {
        self.process.wait_for(&format!("{words:?}"), |streams| {
            let logged = |line: &str| words.iter().all(|word| line.contains(word));
            streams.stderr.lines().any(logged).then_some(())
        });
    }
}

/// The addresses in `nic53 listening on http://127.0.0.1:8053 and dns 127.0.0.1:8054`.
fn listening(stdout: &str) -> Option<(String, Option<String>)> {
    let (line, _) = stdout.split_once('\n')?;
    let (http, dns) = line.strip_prefix("nic53 listening on http://")?.split_once(" and ")?;
    let dns = match dns {
        "no dns" => None,
        dns => Some(dns.strip_prefix("dns ")?.to_owned()),
    };
    Some((http.to_owned(), dns))
}

/// A program to be started, in a folder of its own.
pub struct Program {
    /// With all that it gets so far.
    command: Command,
    /// Its working directory, and its home.
    folder: TempDir,
}

/// A program that sees nothing of the caller's environment: no settings, credentials or proxies.
pub fn program(path: &str) -> Program {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(path);
    command
        .env_clear()
        // Debian has inadyn in /usr/sbin, which is not in everyone's PATH.
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", folder.path())
        .current_dir(folder.path());
    Program { command, folder }
}

impl Program {
    /// Gives it environment variables.
    pub fn settings(mut self, settings: &[(&str, &str)]) -> Self {
        for (name, value) in settings {
            if name.contains("SECRET") || name.contains("TOKEN") {
                captured::secret(value);
            }
        }
        self.command.envs(settings.iter().copied());
        self
    }

    /// Gives it arguments.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Puts a file into its folder, for its eyes only: ddclient insists.
    pub fn file(self, name: &str, text: &str) -> Self {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.folder.path().join(name))
            .expect("a new file");
        file.write_all(text.as_bytes()).expect("room for a file");
        self
    }

    /// Starts it, or says how to install it.
    pub fn start(mut self) -> Process {
        let name = self.command.get_program().to_string_lossy().into_owned();
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; ./test installs what is missing"));

        let streams = Arc::new(Mutex::new(Streams::default()));
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        let is_ours = name == env!("CARGO_BIN_EXE_nic53");
        // Some commands are there to print tokens.
        let command = self.command.get_args().next().and_then(|command| command.to_str());
        let hands_out_tokens = matches!(command, None | Some("token" | "setup"));
        listen(stdout, Arc::clone(&streams), |streams| &mut streams.stdout, is_ours && !hands_out_tokens);
        listen(stderr, Arc::clone(&streams), |streams| &mut streams.stderr, is_ours);
        Process { name, child, streams, _folder: self.folder }
    }
}

/// A running program, and what it has printed. Dropped, it is killed.
pub struct Process {
    /// As it was started, for messages.
    name: String,
    /// The process itself.
    child: Child,
    /// Filled by the readers of both streams.
    streams: Arc<Mutex<Streams>>,
    /// Removed when the process is gone.
    _folder: TempDir,
}

/// All that a program has written so far.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// To its standard output.
    pub stdout: String,
    /// To its standard error.
    pub stderr: String,
    /// How many of the two are closed.
    closed: u8,
}

/// What a program wrote, and the code it exited with, if it exited by itself.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Process {
    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn streams(&self) -> Streams {
        self.streams.lock().expect("a reader that lives").clone()
    }

    /// Waits until the wanted is in what it says.
    pub fn wait_for<T>(&self, wanted: &str, find: impl Fn(&Streams) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            let streams = self.streams();
            if let Some(found) = find(&streams) {
                return found;
            }
            let name = &self.name;
            assert!(!streams.is_over(), "{name} ended without {wanted}: {streams:?}");
            assert!(start.elapsed() < PATIENCE, "{name} runs without {wanted}: {streams:?}");
            thread::sleep(PAUSE);
        }
    }

    /// Waits until it ends by itself.
    pub fn finish(mut self) -> Finished {
        let start = Instant::now();
        loop {
            let streams = self.streams();
            let status = self.child.try_wait().expect("a child to wait for");
            if let (Some(status), true) = (status, streams.is_over()) {
                return streams.finished(status);
            }
            let name = &self.name;
            assert!(start.elapsed() < PATIENCE, "{name} does not end: {streams:?}");
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Streams {
    /// Both streams are closed: there is nothing more to come.
    fn is_over(&self) -> bool {
        self.closed == 2
    }

    /// With the status it ended with.
    fn finished(self, status: ExitStatus) -> Finished {
        Finished { code: status.code(), stdout: self.stdout, stderr: self.stderr }
    }
}

/// Takes down one stream, a line at a time. `keep`: no token belongs there.
fn listen(
    stream: impl Read + Send + 'static,
    streams: Arc<Mutex<Streams>>,
    side: fn(&mut Streams) -> &mut String,
    keep: bool,
) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            if keep {
                captured::output(text.trim_end());
            }
            side(&mut streams.lock().expect("a test that lives")).push_str(&text);
            line.clear();
        }
        streams.lock().expect("a test that lives").closed += 1;
    });
}

/// How long a program may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);
