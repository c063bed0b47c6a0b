"""`bootstrap` as Lambda runs it, behind an HTTP API with a stage, in front of moto's Route 53."""

import base64
import itertools
import json
import os
import queue
import subprocess
import tempfile
import threading
import urllib.request
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chromium import PATIENCE
from gateway import HOST, SETTINGS

STAGE = "prod"
CREDENTIALS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Function:
    """The function, and the token of its one host."""

    def __init__(self) -> None:
        self.events: queue.Queue = queue.Queue()
        self.answers: dict[str, queue.Queue] = {}
        self.ids = map(str, itertools.count())
        self.folder = tempfile.TemporaryDirectory()
        self.log = open(f"{self.folder.name}/log", "w")
        self.runtime_api = ThreadingHTTPServer(("127.0.0.1", 0), runtime_api(self))
        self.runtime_api.daemon_threads = True
        threading.Thread(target=self.runtime_api.serve_forever, daemon=True).start()
        self.moto = self.start_moto()
        zone_id = self.make_zone()
        settings = {"NIC53_ZONES": f"example.org={zone_id}", "NIC53_SECRET": SETTINGS["NIC53_SECRET"]}
        self.process = subprocess.Popen(
            [os.environ["BOOTSTRAP"]],
            env={
                **CREDENTIALS,
                **settings,
                "AWS_ENDPOINT_URL": self.route53,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.runtime_api.server_address[1]}",
                "AWS_LAMBDA_FUNCTION_NAME": "nic53",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            },
            stderr=self.log,
        )
        environment = {**settings, "NIC53_STORE": "route53", "HOME": self.folder.name}
        minted = subprocess.run([os.environ["NIC53"], "token", HOST], env=environment, capture_output=True, check=True)
        self.token = minted.stdout.decode().strip()

    def start_moto(self) -> subprocess.Popen:
        """moto's server on a port of the system's choice, which it prints."""
        server = Path(os.environ["TEST_TOOLS"], "venv/bin/moto_server")
        process = subprocess.Popen(
            [server, "-H", "127.0.0.1", "-p", "0"],
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = iter(process.stderr.readline, "")
        self.route53 = next(line.split()[-1] for line in lines if "Running on http" in line)
        threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
        return process

    def make_zone(self) -> str:
        """Makes the hosted zone, and returns its id."""
        body = (
            '<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
            "<Name>example.org</Name><CallerReference>page</CallerReference></CreateHostedZoneRequest>"
        )
        # moto knows its services by the scope of the signature, which it does not check.
        scope = "AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/route53/aws4_request"
        headers = {"Content-Type": "application/xml", "Authorization": f"{scope}, SignedHeaders=host, Signature=0"}
        request = urllib.request.Request(f"{self.route53}/2013-04-01/hostedzone", body.encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.headers["Location"].rsplit("/", 1)[-1]

    def stop(self) -> None:
        """Ends it, and what it talks to."""
        for process in (self.process, self.moto):
            process.kill()
            process.wait(PATIENCE)
        self.moto.stderr.close()
        self.runtime_api.shutdown()
        self.runtime_api.server_close()
        self.log.close()
        self.folder.cleanup()

    def exchange(
        self, method: str, target: str, headers: Message, source: str, form: bytes = b""
    ) -> tuple[int, Message, str]:
        """Status, headers and body of the reply, by an event and an answer as an HTTP API has them."""
        path, _, query = target.partition("?")
        id, answer = next(self.ids), queue.Queue()
        self.answers[id] = answer
        self.events.put((id, {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {name.lower(): value for name, value in headers.items()},
            "requestContext": {
                "stage": STAGE,
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": source},
            },
            "body": form.decode(),
            "isBase64Encoded": False,
        }))  # fmt: skip
        reply = answer.get(timeout=PATIENCE)
        reply_headers = Message()
        for name, value in reply["headers"].items():
            reply_headers[name] = value
        body = reply.get("body") or ""
        if reply["isBase64Encoded"]:
            body = base64.b64decode(body).decode()
        return reply["statusCode"], reply_headers, body

    def logged(self) -> str:
        """What it has logged so far."""
        return Path(f"{self.folder.name}/log").read_text()


def runtime_api(function: Function) -> type[BaseHTTPRequestHandler]:
    """The Lambda Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            id, event = function.events.get()
            self.send_response_only(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", id)
            self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:1:function:nic53")
            self.write(json.dumps(event).encode())

        def do_POST(self) -> None:
            length, chunks = self.headers["Content-Length"], []
            if length is not None:
                chunks.append(self.rfile.read(int(length)))
            else:
                while size := int(self.rfile.readline(), 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
            function.answers.pop(self.path.split("/")[-2]).put(json.loads(b"".join(chunks)))
            self.send_response_only(202)
            self.write(b"")

        def write(self, body: bytes) -> None:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    return Handler
