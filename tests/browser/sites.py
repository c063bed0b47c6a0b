"""Some sites on one port: the gateway's, which passes everything on to it, and others with pages."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chromium import PATIENCE

GATEWAY = "gw.test"
# The address that the browser comes from, by the gateway's name that it asks. Two have addresses of one family.
SOURCES = {GATEWAY: "203.0.113.9", f"ipv4.{GATEWAY}": "203.0.113.9", f"ipv6.{GATEWAY}": "2001:db8:1:2::9"}
CERTIFICATE = Path(__file__).parent.parent / "it/support/tls.pem"


@dataclass
class Exchange:
    """A request that the browser sent to the gateway's site, and the gateway's reply."""

    target: str
    headers: Message
    status: int
    reply_headers: Message
    body: str


class Sites:
    """The sites, over http or https."""

    def __init__(self, scheme: str, gateway) -> None:
        self.scheme = scheme
        # Has `exchange`, as a Gateway has.
        self.gateway = gateway
        # Another address that the browser comes from.
        self.source = ""
        # More names of the gateway.
        self.names = set(SOURCES)
        # Pages by name of the site and path.
        self.pages: dict[tuple[str, str], str] = {}
        self.exchanges: list[Exchange] = []
        self.changed = threading.Condition()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.server.daemon_threads = True
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            # The handshake is made by the thread of the connection, not by the one that accepts.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Closes the port."""
        self.server.shutdown()
        self.server.server_close()

    def url(self, site: str, target: str, account: str = "") -> str:
        """The URL of a page; `account` is `USER:PASSWORD@`."""
        return f"{self.scheme}://{account}{site}:{self.port}{target}"

    def wait_for(self, wanted: Callable[[Exchange], bool]) -> Exchange:
        """The first exchange of this kind, once it took place."""
        with self.changed:
            found = self.changed.wait_for(lambda: next(filter(wanted, self.exchanges), None), timeout=PATIENCE)
            assert found, f"no such exchange in {[(seen.target, seen.status) for seen in self.exchanges]}"
            return found

    def pass_on(self, request: BaseHTTPRequestHandler) -> Exchange:
        """Passes a request on to the gateway, and keeps what was said."""
        source = self.source or SOURCES.get(name_in(request), SOURCES[GATEWAY])
        form = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        reply = self.gateway.exchange(request.command, request.path, request.headers, source, form)
        exchange = Exchange(request.path, request.headers, *reply)
        with self.changed:
            self.exchanges.append(exchange)
            self.changed.notify_all()
        return exchange


def name_in(request: BaseHTTPRequestHandler) -> str:
    """The site that a request asks for."""
    host = request.headers["Host"]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.split(":")[0]


def handler(sites: Sites) -> type[BaseHTTPRequestHandler]:
    """What answers the requests of these sites."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site = name_in(self)
            page = sites.pages.get((site, self.path))
            if page is not None:
                self.answer(200, {"Content-Type": "text/html; charset=utf-8"}, page)
            elif site in sites.names:
                exchange = sites.pass_on(self)
                self.answer(exchange.status, dict(exchange.reply_headers), exchange.body)
            else:
                self.answer(404, {}, "")

        def do_POST(self) -> None:
            self.do_GET()

        def answer(self, status: int, headers: dict[str, str], body: str) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: a browser's own requests would bury the tests."""

    return Handler
