//! An AWS service that a test plays, at its HTTP API: on a loopback port for a whole program, or below
//! the SDK of this process without a socket, which works on a paused clock.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aws_config::SdkConfig;
use aws_sdk_route53::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;

use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Answers one request; an error resets the connection.
pub(crate) type Answer = Arc<dyn Fn(Parts, Bytes) -> Answered + Send + Sync>;

/// The answer to come.
type Answered = Pin<Box<dyn Future<Output = io::Result<Response<String>>> + Send>>;

/// A service that listens, until it is dropped.
pub(crate) struct Server {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Accepts connections.
    task: JoinHandle<()>,
}

impl Server {
    /// Starts one on this runtime and a loopback port of the system's choice.
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket");
        Self { address, task: tokio::spawn(serve(listener, answer)) }
    }

    /// Its URL: the value of an `AWS_ENDPOINT_URL_…`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections forever. They end with it.
async fn serve(listener: TcpListener, answer: Answer) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_connection(stream, Arc::clone(&answer)));
    }
}

/// Answers one connection, which is kept alive until the caller ends it or it is to be reset.
async fn serve_connection(stream: TcpStream, answer: Answer) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request: Request<Incoming>| {
        let answer = &answer;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let response = answer(parts, body).await?;
            Ok::<_, io::Error>(response.map(|text| Full::new(Bytes::from(text))))
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if ended.is_err() {
        // Closing it now sends RST, not FIN.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// An SDK configuration that is `aws`, timeouts and retries included, but leads to a service: to its socket
/// if it has one, else to the endpoint of that name below the SDK. It has no TLS, which takes longer to set
/// up than most tests do.
pub(crate) fn configure(aws: &SdkConfig, server: Option<&Server>, endpoint: &str, answer: Answer) -> SdkConfig {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
    let config = aws.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(credentials));
    match server {
        Some(server) => config.endpoint_url(server.url()).http_client(Builder::new().build_http()).build(),
        None => config.endpoint_url(endpoint).http_client(http_client(answer)).build(),
    }
}

/// What takes the SDK's requests to a service without a socket.
fn http_client(answer: Answer) -> SharedHttpClient {
    let connector = connector(answer);
    http_client_fn(move |_, _| connector.clone())
}

/// Lets the service work. Whoever counts the caller's instructions leaves these out.
#[inline(never)]
fn poll_service(answered: &mut Answered, context: &mut Context<'_>) -> Poll<io::Result<Response<String>>> {
    answered.as_mut().poll(context)
}

/// What takes one request of the SDK's there.
pub(crate) fn connector(answer: Answer) -> SharedHttpConnector {
    SharedHttpConnector::new(InProcess(answer))
}

/// The way of a call that needs no socket.
#[derive(Clone)]
struct InProcess(Answer);

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let (parts, body) = request.try_into_http1x().expect("a request of HTTP").into_parts();
            let body = Bytes::copy_from_slice(body.bytes().expect("a body in memory"));
            let mut answered = answer(parts, body);
            let response = poll_fn(|context| poll_service(&mut answered, context)).await;
            let response = response.map_err(|error| ConnectorError::io(error.into()))?;
            Ok(HttpResponse::try_from(response.map(SdkBody::from)).expect("a response of HTTP"))
        })
    }
}
