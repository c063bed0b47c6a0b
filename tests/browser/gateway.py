"""`nic53 serve` with an embedded store."""

import base64
import http.client
import os
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request
from email.message import Message

from chromium import PATIENCE

HOST = "home.example.org"
SETTINGS = {
    "NIC53_ZONES": "example.org=EMBEDDED",
    "NIC53_SECRET": "the-secret-of-the-browser-tests-0123456789",
    # The sites in front of it, which say where the browser comes from.
    "NIC53_TRUSTED_PROXIES": "127.0.0.0/8",
}


class Gateway:
    """A running gateway, and the token of its one host."""

    def __init__(self, **settings: str) -> None:
        self.settings = {**SETTINGS, **settings}
        self.folder = tempfile.TemporaryDirectory()
        self.log = open(f"{self.folder.name}/log", "w")
        command = ["serve", "--http", "127.0.0.1:0", "--dns", "off"]
        self.process = self.start(command, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        listening = re.match(r"nic53 listening on http://127\.0\.0\.1:(\d+) ", line)
        assert listening, f"nic53 serve: expected where it listens, got {line!r}"
        self.port = int(listening[1])
        minted = self.start(["token", HOST], stdout=subprocess.PIPE)
        self.token = minted.communicate()[0].strip()

    def start(self, arguments: list[str], **streams) -> subprocess.Popen:
        """Starts nic53 in the folder, and without any setting of the caller's."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder.name, **self.settings}
        return subprocess.Popen(
            [os.environ["NIC53"], *arguments], cwd=self.folder.name, env=environment, text=True, **streams
        )

    def stop(self) -> None:
        """Ends it and removes what it kept."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()

    def exchange(
        self, method: str, target: str, headers: Message, source: str, form: bytes = b""
    ) -> tuple[int, Message, str]:
        """Status, headers and body of the reply to a request that comes from an address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, target, form, {**dict(headers), "X-Forwarded-For": source})
        reply = connection.getresponse()
        body = reply.read().decode()
        connection.close()
        return reply.status, reply.headers, body

    def run(self, *arguments: str, given: str = "") -> tuple[str, str]:
        """What a command of nic53 prints, with this standard input."""
        process = self.start(
            list(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        printed = process.communicate(given, PATIENCE)
        assert process.returncode == 0, f"nic53 {' '.join(arguments)}: {printed}"
        return printed

    def logged(self) -> str:
        """What it has logged so far."""
        with open(f"{self.folder.name}/log") as log:
            return log.read()

    def set(self, address: str) -> None:
        """Moves the record as a router does."""
        self.ask(f"myip={address}")

    def address(self) -> str:
        """The address in the record."""
        return self.ask("myip=no").removeprefix("nochg ")

    def ask(self, query: str) -> str:
        """The reply to an update."""
        return self.as_client(HOST, self.token, f"/nic/update?hostname={HOST}&{query}")

    def as_client(self, user: str, password: str, target: str, form: dict[str, str] | None = None) -> str:
        """The reply to a client that is no browser; a form is posted."""
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        url = f"http://127.0.0.1:{self.port}{target}"
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(url, data, {"Authorization": f"Basic {credentials}"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.read().decode()
