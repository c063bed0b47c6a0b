//! A function as Lambda runs it, and the Runtime API that it polls, with the times of both.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take, under valgrind too.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a function is started.
#[derive(Clone)]
pub struct Program {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Its working directory.
    pub folder: String,
    /// Its whole environment, but for what Lambda itself sets.
    pub variables: Vec<(&'static str, String)>,
}

/// A running function. Dropped, it is killed.
pub struct Function {
    /// Its process.
    process: Child,
    /// When it was started.
    started: Instant,
    /// Events for it.
    events: Sender<String>,
    /// What the Runtime API saw.
    seen: Receiver<Seen>,
}

/// What one event came to.
pub struct Invocation {
    /// The reply.
    pub reply: Value,
    /// From the last octet of the event to the last of the reply, as the Runtime API sees it.
    pub took: Duration,
}

/// What the Runtime API sees.
enum Seen {
    /// The function asks for an event.
    Polled(Instant),
    /// An event was handed over.
    Handed(Instant),
    /// The function answered.
    Answered(Instant, String),
}

impl Function {
    /// Starts it.
    pub fn start(program: &Program) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let (events, waiting) = mpsc::channel();
        let (see, seen) = mpsc::channel();
        thread::spawn(move || {
            let waiting = Arc::new(Mutex::new(waiting));
            for stream in listener.incoming().flatten() {
                let (waiting, see) = (Arc::clone(&waiting), see.clone());
                // A connection ends when the function does, or the harness.
                thread::spawn(move || serve(&stream, &waiting, &see));
            }
        });
        let mut command = Command::new(&program.command[0]);
        command
            .args(&program.command[1..])
            .current_dir(&program.folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "nic53")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret-access-key")
            .env("AWS_SESSION_TOKEN", "session-token")
            .envs(program.variables.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let process = command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", program.command));
        Self { process, started, events, seen }
    }

    /// Waits for the function's first poll; the time since its start.
    pub fn first_poll(&self) -> Duration {
        loop {
            if let Seen::Polled(at) = self.next() {
                return at - self.started;
            }
        }
    }

    /// Hands it an event and waits for the reply.
    pub fn invoke(&self, event: &Value) -> Invocation {
        self.events.send(event.to_string()).expect("a Runtime API");
        let mut handed = None;
        loop {
            match self.next() {
                Seen::Polled(_) => {}
                Seen::Handed(at) => handed = Some(at),
                Seen::Answered(at, reply) => {
                    let reply = serde_json::from_str(&reply).expect("a reply in JSON");
                    return Invocation { reply, took: at - handed.expect("an event before its reply") };
                }
            }
        }
    }

    /// The CPU time that its threads had so far.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).expect("a running process");
        let nanoseconds = tasks.flatten().filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// The most memory it had resident, in octets.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes * 1024
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("a running process");
        self.process.wait().expect("a child")
    }

    /// What the Runtime API sees next.
    fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("a function that answers in time")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Program {
    /// The same, started by another program such as valgrind.
    pub fn under(&self, command: &[&str]) -> Self {
        let words = command.iter().map(|word| (*word).to_owned());
        Self { command: words.chain(self.command.clone()).collect(), ..self.clone() }
    }

    /// The same in place of that file.
    pub fn with_file(&self, file: &Path) -> Self {
        Self { command: vec![file.display().to_string()], ..self.clone() }
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, waiting: &Mutex<Receiver<String>>, see: &Sender<Seen>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut number = 0;
    loop {
        let (path, body) = read_request(&mut reader)?;
        let at = Instant::now();
        let reply = if path.ends_with("/invocation/next") {
            see.send(Seen::Polled(at)).ok()?;
            let event = waiting.lock().ok()?.recv().ok()?;
            number += 1;
            see.send(Seen::Handed(Instant::now())).ok()?;
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: request-{number}\r\nlambda-runtime-deadline-ms: 4102444800000\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:1:function:nic53\r\n\
                 lambda-runtime-trace-id: Root=1-0-0\r\n\r\n{event}",
                event.len()
            )
        } else {
            see.send(Seen::Answered(at, body)).ok()?;
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        writer.write_all(reply.as_bytes()).ok()?;
    }
}

/// Path and body of the next request; `None` at the connection's end.
fn read_request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<_, _> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(Ok(0), |length| length.parse()).ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}
