//! The address of DNS: as it is typed, and its sockets.

use std::{fmt, io, net::SocketAddr, str::FromStr};

use tokio::net::{TcpListener, UdpSocket};

/// How often a port of the system's choice is tried: one that is free for TCP may be taken for UDP.
const ATTEMPTS: usize = 10;

/// An address, or `off`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DnsAddress(pub Option<SocketAddr>);

impl FromStr for DnsAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected an IP address and a port, such as 127.0.0.1:8054, or off";
        if text == "off" {
            Ok(Self(None))
        } else {
            text.parse().map(|address| Self(Some(address))).map_err(|_| expected)
        }
    }
}

impl fmt::Display for DnsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "dns {address}"),
            None => f.write_str("no dns"),
        }
    }
}

/// The sockets of DNS, both on one port.
pub(super) struct DnsSockets {
    /// For most questions.
    pub udp: UdpSocket,
    /// For answers that do not fit into a datagram.
    pub tcp: TcpListener,
}

impl DnsSockets {
    /// Binds an address. The system chooses the port if it is 0.
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut attempts = 0;
        loop {
            let tcp = TcpListener::bind(address).await?;
            match UdpSocket::bind(tcp.local_addr()?).await {
                Ok(udp) => return Ok(Self { udp, tcp }),
                Err(_) if address.port() == 0 && attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The address that was bound.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.udp.local_addr().ok()
    }
}
