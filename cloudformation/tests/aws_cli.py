"""The AWS CLI, loaded once for many calls: `aws_cli.py FOLDER` puts an `aws` into the folder and serves it.

Each start of the CLI takes a second, nearly all of it for its modules and its descriptions of services. Here one
process loads them and forks for each call; `aws` hands the call over and ends as the fork ends. What runs is the CLI
that pip installed."""

import contextlib
import gc
import importlib
import io
import marshal
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path

# `aws`. It imports as little as can be, since it is started for each call.
CLIENT = """#!{python} -IS
import _socket, marshal, posix, sys

server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
call = marshal.dumps((sys.argv[1:], posix.environ, posix.getcwd(), posix.getpgrp()))
streams = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in range(3))
server.sendmsg([call], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.shutdown(_socket.SHUT_WR)
sys.exit(int(server.recv(16) or 255))
"""
# The services that ./deploy asks much, and something to ask each.
SERVICES = {
    "cloudformation": "list-stacks",
    "iam": "list-roles",
    "logs": "describe-log-groups",
    "route53": "list-hosted-zones",
    "s3api": "list-buckets",
    "secretsmanager": "list-secrets",
    "sts": "get-caller-identity",
}

# These name the CLI's configuration files, which are read once: no call may have others.
CONFIGURATION = [b"AWS_CONFIG_FILE", b"AWS_SHARED_CREDENTIALS_FILE", b"AWS_PROFILE", b"AWS_DEFAULT_PROFILE"]


def main(folder):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/socket")
    listener.listen(64)
    client = Path(folder) / "aws"
    client.write_text(CLIENT.format(python=sys.executable, address=f"{folder}/socket"))
    client.chmod(0o755)
    # A call waits until all is loaded, and whoever started this need not.
    print("listening", flush=True)
    run = load()
    # An interrupt from the terminal is for the calls.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nobody waits for the forks: each tells its own status.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    # Until whoever started this closes the standard input, or is gone.
    while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
        connection = ready[0].accept()[0]
        if os.fork() == 0:
            listener.close()
            answer(connection, run)
        connection.close()


def load():
    """The CLI's main function, with all that a call needs in memory."""
    clidriver = importlib.import_module("awscli.clidriver")
    # Only now: it brings its own botocore.
    session, loaders = importlib.import_module("botocore.session"), importlib.import_module("botocore.loaders")
    loader = loaders.create_loader(os.environ["AWS_DATA_PATH"])
    session.create_loader = lambda _: loader
    client = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    for service, operation in SERVICES.items():
        driver = clidriver.create_clidriver()
        with contextlib.redirect_stdout(io.StringIO()):
            driver.main([service, operation, "--generate-cli-skeleton"])
        driver.session.create_client(service.removesuffix("api"), **client)
    return clidriver.create_clidriver().main


def answer(connection, run):
    """Become the `aws` at the other end and do what it was called for."""
    call, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while more := connection.recv(1 << 20):
        call += more
    words, environment, directory, group = marshal.loads(call)
    for stream, descriptor in enumerate(descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setpgid(0, group)
    os.chdir(directory)
    for name in CONFIGURATION:
        assert environment.get(name) == os.environb.get(name), f"{name} was read before this call"
    # The CLI sets this for itself when it is imported.
    environment[b"AWS_DATA_PATH"] = os.environb[b"AWS_DATA_PATH"]
    os.environ.clear()
    os.environb.update(environment)
    sys.argv = ["aws", *words]
    try:
        status = run()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.send(str(status or 0).encode())
    # Taking down all that was loaded would take as long as the call.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
