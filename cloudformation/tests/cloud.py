"""An emulated AWS on loopback, and `./deploy` run against it as anybody runs it."""

import base64
import functools
import http.client
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "cloudformation" / "nic53.yaml"
# The folder into which pip put the AWS CLI.
INSTALLED = str(Path(sys.executable).parent)
# ministack reads the template several times a deployment, half its work. libyaml, if it is there, is quicker.
HYPERCORN = """
import sys, yaml
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
from hypercorn.__main__ import main
sys.exit(main())
"""
# One for all: it reads the descriptions of the services, which takes longer than most calls.
SESSION = botocore.session.get_session()
# What ./deploy does instead of deploying.
INSTEAD = {"--build", "--show", "--hosts", "--fleet", "--no-fleet", "--rotate", "--end-grace", "--remove"}
# Without the user's own settings of the AWS CLI and of nic53.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "NIC53_"))},
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Cloud:
    """ministack on a port the system chose. It ends with the `with` block, and so do the functions it runs."""

    def __init__(self, *path):
        """With these folders first in the PATH."""
        self.path = [*path, INSTALLED, os.environ["PATH"]]
        self.client = functools.cache(self.new_client)

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **ENVIRONMENT,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "PATH": os.pathsep.join(self.path),
        }
        ministack = {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "TMPDIR": self.directory.name,
        }
        self.log = open(Path(self.directory.name) / "ministack.log", "w+")
        # The listener is handed over open, so that nobody takes its port in between.
        self.process = subprocess.Popen(
            [sys.executable, "-c", HYPERCORN, "ministack.app:app", "--workers", "0"]
            + ["--bind", f"fd://{listener.fileno()}"],
            env={**self.environment, **ministack},
            cwd=self.directory.name,
            pass_fds=[listener.fileno()],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        listener.close()
        self.await_health()
        # What ./deploy itself asks of the gateway comes here too, and nothing leaves this machine.
        self.proxy = Proxy(self)
        address = self.proxy.__enter__()
        self.proxies = {"http_proxy": address, "https_proxy": address, "no_proxy": "127.0.0.1"}
        return self

    def __exit__(self, *_):
        self.proxy.__exit__()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
        self.directory.cleanup()

    def await_health(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.request(f"{self.endpoint}/_ministack/health")[0].status == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise RuntimeError(f"ministack did not start:\n{self.log.read()}")
            time.sleep(0.1)

    def new_client(self, service):
        """What `client` gives each time."""
        return SESSION.create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def hosted_zone(self, name):
        made = self.client("route53").create_hosted_zone(Name=name, CallerReference=name)
        return made["HostedZone"]["Id"].rsplit("/", 1)[-1]

    def records(self, zone_id, name):
        """The addresses at a name, by type."""
        listed = self.client("route53").list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        return {
            record["Type"]: [value["Value"] for value in record.get("ResourceRecords", [])]
            for record in listed
            if record["Name"] == f"{name}."
        }

    def deploy(self, *words, build=False):
        """Run ./deploy and give what it printed; it must succeed."""
        done = self.try_deploy(*words, build=build)
        if done.returncode:
            raise AssertionError(f"./deploy {' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def try_deploy(self, *words, build=False, environment=None):
        """Run ./deploy; if it deploys, with the archive there is unless it is to build one."""
        if not build and not INSTEAD.intersection(words) and "--archive" not in words:
            words = [*words, "--archive", archive()]
        return subprocess.run(
            [ROOT / "deploy", *words],
            env={**self.environment, **self.proxies, **(environment or {})},
            cwd=self.directory.name,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def interrupt(self, when, *words, environment=None):
        """Run ./deploy and interrupt it, as Ctrl-C does, at the first line of which `when` says so, if any. It stands
        still while `when` looks."""
        process = subprocess.Popen(
            [ROOT / "deploy", *words],
            env={**self.environment, **self.proxies, "PYTHONUNBUFFERED": "1", **(environment or {})},
            cwd=self.directory.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        printed = []
        for line in process.stdout:
            printed.append(line)
            os.killpg(process.pid, signal.SIGSTOP)
            is_time = when(printed)
            os.killpg(process.pid, signal.SIGCONT)
            if is_time:
                os.killpg(process.pid, signal.SIGINT)
                break
        more, errors = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, "".join(printed) + more, errors)

    def request(self, url, *, user=None, password=None, headers=None):
        """A GET to the name in the URL, which is served here whatever it says. Gives the response and its text."""
        parts = urlsplit(url)
        headers = {"Host": parts.netloc, **(headers or {})}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()


class Proxy:
    """An HTTP proxy on loopback that asks one cloud for whatever name is in the URL, and knows no other."""

    def __init__(self, cloud):
        self.cloud = cloud

    def __enter__(self):
        cloud = self.cloud

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                response, body = cloud.request(self.path)
                self.send_response(response.status)
                for name in ("WWW-Authenticate", "Content-Type"):
                    if name in response.headers:
                        self.send_header(name, response.headers[name])
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class AwsCli:
    """The AWS CLI, started quickly: a folder with an `aws` in it, which works inside the `with` block."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        server = [sys.executable, Path(__file__).with_name("aws_cli.py"), self.directory.name]
        self.process = subprocess.Popen(server, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        return self.directory.name

    def __exit__(self, *_):
        # Ends it, and so does the end of this process.
        self.process.communicate(timeout=30)
        self.directory.cleanup()


@functools.cache
def archive():
    """The archive that ./deploy builds, built once; or the one that ARCHIVE names."""
    if given := os.environ.get("ARCHIVE"):
        return given
    done = subprocess.run([ROOT / "deploy", "--build"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"./deploy --build failed:\n{done.stdout}\n{done.stderr}")
    return re.search(r"^archive (\S+)", done.stdout, re.M)[1]
