//! The least that answers over HTTP with hyper: what `nic53 serve` is held against.
//!
//! hyper's own example, in the runtime that `nic53` has, answering the constant it is given.

use std::{convert::Infallible, env};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, runtime::Builder};

fn main() {
    let constant = Bytes::from(env::args().nth(1).expect("the constant to answer"));
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(constant));
}

/// Answers the constant until it is killed.
#[expect(clippy::print_stdout, reason = "it prints its address as nic53 does")]
async fn serve(constant: Bytes) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("bare listening on http://{}", listener.local_addr().expect("an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let constant = constant.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(constant.clone()))));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // A client that broke off is no news.
            let _ = connection.await;
        });
    }
}
