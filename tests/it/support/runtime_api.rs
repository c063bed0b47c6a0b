//! A fake of the Lambda Runtime API, which `bootstrap` polls for events
//! (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), and a fake Secrets Manager that answers
//! `GetSecretValue`.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::captured;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// `bootstrap`, running, and the Runtime API that it polls.
pub struct Lambda {
    /// Events for it, each with a channel for its answer.
    events: mpsc::UnboundedSender<(Value, oneshot::Sender<Result<Value, String>>)>,
    /// The process, killed when dropped.
    process: Child,
    /// The fake.
    server: JoinHandle<()>,
}

impl Lambda {
    /// Starts `bootstrap` with these variables and no others.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        for (_, secret) in variables.iter().filter(|(name, _)| *name == "NIC53_SECRET") {
            captured::secret(secret);
        }
        let (events, waiting) = mpsc::unbounded_channel::<(Value, oneshot::Sender<Result<Value, String>>)>();
        let waiting = Arc::new(AsyncMutex::new(waiting));
        let answers = Arc::new(Mutex::new(HashMap::new()));
        let (address, server) = listen(move |request| {
            let (waiting, answers) = (Arc::clone(&waiting), Arc::clone(&answers));
            async move {
                let path = request.uri().path().to_owned();
                if path.ends_with("/invocation/next") {
                    let Some((event, answer)) = waiting.lock().await.recv().await else { std::future::pending().await };
                    let mut answers = answers.lock().unwrap();
                    let id = format!("request-{}", answers.len());
                    answers.insert(id.clone(), Some(answer));
                    return Response::builder()
                        .header("lambda-runtime-aws-request-id", id)
                        .header("lambda-runtime-deadline-ms", "4102444800000")
                        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:nic53")
                        .header("lambda-runtime-trace-id", "Root=1-0-0")
                        .body(event.to_string())
                        .unwrap();
                }
                let id = path.split('/').rev().nth(1).unwrap_or_default().to_owned();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let said = serde_json::from_slice(&body).unwrap_or(Value::Null);
                if let Some(answer) = answers.lock().unwrap().get_mut(&id).and_then(Option::take) {
                    let _ = answer.send(if path.ends_with("/response") { Ok(said) } else { Err(said.to_string()) });
                }
                Response::builder().status(202).body(String::new()).unwrap()
            }
        })
        .await;
        let process = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "nic53")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret-access-key-of-the-test")
            .env("AWS_SESSION_TOKEN", "session-token-of-the-test")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { events, process, server }
    }

    /// Hands an event to the function and waits for its reply.
    pub async fn invoke(&self, event: Value) -> Value {
        self.try_invoke(event).await.expect("a response, not an error")
    }

    /// The same, or what the function reports as its error.
    pub async fn try_invoke(&self, event: Value) -> Result<Value, String> {
        self.try_invoke_within(event, PATIENCE).await
    }

    /// The same, with more patience.
    pub async fn try_invoke_within(&self, event: Value, patience: Duration) -> Result<Value, String> {
        let (answer, answered) = oneshot::channel();
        self.events.send((event, answer)).unwrap();
        timeout(patience, answered).await.expect("an answer in time").unwrap()
    }

    /// The most memory that the process had until now, in KiB (`VmHWM` of proc(5)).
    pub fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id().expect("a process that runs"));
        let status = std::fs::read_to_string(status).expect("the status of the process");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        number.and_then(|number| number.parse().ok()).expect("a number of KiB")
    }

    /// Ends the function and returns its log.
    pub async fn log(mut self) -> String {
        assert_eq!(self.process.try_wait().unwrap(), None, "no input ends the process");
        self.process.start_kill().unwrap();
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        captured::output(&log);
        self.process.wait().await.unwrap();
        self.server.abort();
        log
    }
}

/// A Secrets Manager with one secret.
pub struct SecretsManager {
    /// Its endpoint.
    pub url: String,
    /// Versions by stage. If there are none, every call is refused.
    pub versions: Arc<Mutex<HashMap<&'static str, String>>>,
    /// The number of calls so far.
    pub calls: Arc<Mutex<u32>>,
    /// The fake.
    server: JoinHandle<()>,
}

impl SecretsManager {
    /// Starts it with these versions.
    pub async fn start(versions: &[(&'static str, &str)]) -> Self {
        for (_, secret) in versions {
            captured::secret(secret);
        }
        let held = versions.iter().map(|(stage, text)| (*stage, (*text).to_owned())).collect();
        let versions: Arc<Mutex<HashMap<&'static str, String>>> = Arc::new(Mutex::new(held));
        let calls = Arc::new(Mutex::new(0));
        let (held, counted) = (Arc::clone(&versions), Arc::clone(&calls));
        let (address, server) = listen(move |request| {
            let (held, counted) = (Arc::clone(&held), Arc::clone(&counted));
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let asked: Value = serde_json::from_slice(&body).unwrap();
                *counted.lock().unwrap() += 1;
                let held = held.lock().unwrap();
                let refusal = if held.is_empty() { "AccessDeniedException" } else { "ResourceNotFoundException" };
                let (status, answer) = match held.get(asked["VersionStage"].as_str().unwrap_or_default()) {
                    Some(text) => (200, json!({"ARN": asked["SecretId"], "Name": "nic53", "SecretString": text})),
                    None => (400, json!({"__type": refusal, "Message": "no such version"})),
                };
                Response::builder().status(status).body(answer.to_string()).unwrap()
            }
        })
        .await;
        Self { url: format!("http://{address}"), versions, calls, server }
    }
}

impl Drop for SecretsManager {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves a loopback port chosen by the system.
async fn listen<F>(handler: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> (String, JoinHandle<()>)
where
    F: Future<Output = Response<String>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = handler.clone();
            let service = service_fn(move |request| {
                let reply = handler(request);
                async move { Ok::<_, Infallible>(reply.await.map(|body| http_body_util::Full::new(Bytes::from(body)))) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, server)
}
