//! A reverse proxy, which many homes have between the clients and nic53.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Passes requests on to `upstream` with the client's address in `X-Forwarded-For`, which is always
/// `client` here. Returns its address, where it answers until the test's process ends.
pub fn reverse_proxy(upstream: &str, client: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let upstream = upstream.to_owned();
    thread::spawn(move || {
        for downstream in listener.incoming() {
            // The client reports a connection that breaks; the proxy has nobody to tell.
            let _ = downstream.and_then(|downstream| forward(downstream, &upstream, client));
        }
    });
    address
}

/// Forwards one request without a body, and all that comes back. A connection without a request ends here.
fn forward(mut downstream: TcpStream, upstream: &str, client: &str) -> io::Result<()> {
    let mut request = BufReader::new(downstream.try_clone()?);
    if request.fill_buf()?.is_empty() {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(upstream)?;
    let mut line = String::new();
    while request.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            line.insert_str(0, &format!("Connection: close\r\nX-Forwarded-For: {client}\r\n"));
        }
        upstream.write_all(line.as_bytes())?;
        if line.ends_with("\r\n\r\n") {
            break;
        }
        line.clear();
    }
    io::copy(&mut upstream, &mut downstream)?;
    Ok(())
}
