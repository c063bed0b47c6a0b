"""The challenge: what CloudFront's function answers, run by a JavaScript engine, and what ./deploy says of a 401."""

import contextlib
import http.server
import io
import json
import re
import shutil
import subprocess
import threading
import unittest
from unittest import mock

from cloud import ROOT
from deploy.challenge import NAME, RENAMED, print_challenge
from deploy.stack import Stack
from test_template import resources

CODE = resources["ChallengeFunction"]["Properties"]["FunctionCode"]
# Plays each event of the standard input, and prints the answers.
PLAY = "\nprocess.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0)).map(handler)))"

# Method, path and query; what comes with it; whether it is challenged.
CHALLENGED, PASSED = True, False
EVENTS = [
    ("GET /nic/update?hostname=home.example.org&myip=198.51.100.7", {}, CHALLENGED),
    ("GET /nic/update", {}, CHALLENGED),
    ("GET /v2/update?hostname=home.example.org", {}, CHALLENGED),
    ("GET /v3/update?hostname=home.example.org", {}, CHALLENGED),
    ("GET /update?hostname=home.example.org", {}, CHALLENGED),
    ("GET /?hostname=home.example.org", {}, CHALLENGED),
    ("GET //nic//update/", {}, CHALLENGED),
    ("GET /%6eic/update", {}, CHALLENGED),
    ("GET /nic%2Fupdate", {}, CHALLENGED),
    ("GET /prod/nic/update", {}, CHALLENGED),
    ("GET /Production?fqdn=home.example.org", {}, CHALLENGED),
    # Credentials in the header, whatever they are worth: the gateway decides.
    ("GET /nic/update", {"authorization": {"value": "Basic aG9tZTp0b2tlbg=="}}, PASSED),
    ("GET /nic/update", {"authorization": {"value": "Bearer x"}}, PASSED),
    ("GET /nic/update", {"authorization": {"value": "Basic OG=="}}, PASSED),
    ("GET /nic/update", {"authorization": {"value": "", "multiValue": [{"value": ""}, {"value": "x"}]}}, PASSED),
    # An empty header, and an empty user name with an empty password, are no credentials.
    ("GET /nic/update", {"authorization": {"value": " "}}, CHALLENGED),
    ("GET /nic/update", {"authorization": {"value": "basic  Og== "}}, CHALLENGED),
    ("GET /nic/update?password=token", {"authorization": {"value": "Basic Og=="}}, PASSED),
    # Credentials in the query, by every name of the password.
    *((f"GET /nic/update?user=home&{name}=token", {}, PASSED) for name in ("password", "pass", "pwd", "p")),
    *((f"GET /nic/update?{name}=token", {}, PASSED) for name in ("token", "key", "PassWord", "%70assword")),
    ("GET /nic/update?password=&password=token", {}, PASSED),
    ("GET /nic/update?password=token&password=", {}, PASSED),
    ("GET /nic/update?password=&user=home", {}, CHALLENGED),
    ("GET /nic/update?user=home", {}, CHALLENGED),
    ("GET /nic/update?p%=token", {}, CHALLENGED),
    # A form it cannot see; what is no update; what no path is.
    ("POST /nic/update", {}, PASSED),
    ("PUT /nic/update?hostname=home.example.org", {}, PASSED),
    ("HEAD /nic/update?hostname=home.example.org", {}, PASSED),
    ("GET /", {}, PASSED),
    ("GET /checkip", {}, PASSED),
    ("GET /ip?x=1", {}, PASSED),
    ("GET /healthz", {}, PASSED),
    ("GET /prod/checkip", {}, PASSED),
    ("GET /checkip/update", {}, PASSED),
    ("GET /ip/nic/update", {}, PASSED),
    ("GET /../nic/update", {}, PASSED),
    ("GET /a/b/nic/update", {}, PASSED),
    ("GET /nic", {}, PASSED),
    ("GET /nic/update/x", {}, PASSED),
    ("GET /%zz", {}, PASSED),
]


def event(line, headers):
    """A viewer's request as CloudFront hands it over (Event structure of CloudFront Functions)."""
    method, target = line.split(" ")
    uri, _, query = target.partition("?")
    parameters = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        before = parameters.get(name)
        parameters[name] = {"value": value}
        if before:
            parameters[name]["multiValue"] = [*before.get("multiValue", [{"value": before["value"]}]), {"value": value}]
    return {"request": {"method": method, "uri": uri, "querystring": parameters, "headers": headers, "cookies": {}}}


def words(pattern, text):
    """The words of a list in a program's text, sorted."""
    return sorted(re.findall(r"""["']([^"']+)["']""", re.search(pattern, text, re.S)[1]))


class EdgeFunction(unittest.TestCase):
    def test_an_update_without_credentials_is_challenged_and_all_else_goes_on(self):
        events = [event(line, headers) for line, headers, _ in EVENTS]
        for given, (line, headers, challenged), answer in zip(events, EVENTS, self.play(events), strict=True):
            with self.subTest(line, headers=headers):
                self.assertEqual("statusCode" in answer, challenged)
                if not challenged:
                    self.assertEqual(answer, given["request"])

    def test_the_challenge_is_the_gateways_own(self):
        (answer,) = self.play([event("GET /nic/update", {})])
        headers = {name: header["value"] for name, header in answer["headers"].items()}
        self.assertEqual((answer["statusCode"], answer["body"]["data"]), (401, "badauth"))
        self.assertEqual(headers["www-authenticate"], 'Basic realm="nic53"')
        self.assertEqual((headers["content-type"], headers["cache-control"]), ("text/plain", "no-store"))

    def test_it_has_the_words_of_the_gateway(self):
        protocol = ROOT / "src" / "protocol"
        endpoint, credentials = ((protocol / name).read_text() for name in ("endpoint.rs", "credentials.rs"))
        paths = words(r"UPDATE_PATHS: [^=]*= \[(.*?)\];", endpoint)
        self.assertEqual(words(r"var UPDATES = \[(.*?)\];", CODE), sorted(path.removeprefix("/") for path in paths))
        self.assertEqual(words(r"var KNOWN = \[(.*?)\];", CODE), words(r"OWN_WORDS: [^=]*= \[(.*?)\];", endpoint))
        passwords = words(r"let password = parameters.first\(&\[(.*?)\]\)", credentials)
        self.assertEqual(words(r"var PASSWORDS = \[(.*?)\];", CODE), passwords)

    def test_it_is_small_enough(self):
        self.assertLess(len(CODE), 10_240)

    def play(self, events):
        """What the function answers to these events."""
        node = shutil.which("node")
        self.assertTrue(node, "a JavaScript engine is missing: apt-get install --no-install-recommends nodejs")
        done = subprocess.run([node, "-e", CODE + PLAY], input=json.dumps(events), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)


class AfterDeploying(unittest.TestCase):
    def said(self, status, headers, **parameters):
        """What ./deploy prints of a gateway that answers so."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            printed = self.printed(f"http://127.0.0.1:{server.server_port}/nic/update", **parameters)
            thread.join()
        return printed

    def printed(self, url, **parameters):
        stack = Stack("nic53", parameters=parameters, outputs={"UpdateUrl": url})
        printed = io.StringIO()
        # A proxy of this machine's user has no part in it.
        with contextlib.redirect_stdout(printed), mock.patch.dict("os.environ", {"no_proxy": "127.0.0.1"}):
            print_challenge(stack, " --stack two")
        return printed.getvalue()

    def test_each_kind_of_challenge_is_told_apart(self):
        realm = 'Basic realm="nic53"'
        affected, switch = "OpenWrt (wget, uclient-fetch), DrayTek\nover https, ddupdate", "./deploy --challenge-mapping"
        rows = [
            (401, {NAME: realm}, {}, ["The challenge arrives as WWW-Authenticate"], [affected, switch]),
            (401, {RENAMED: realm, NAME: realm}, {}, ["The challenge arrives as WWW-Authenticate"], [affected]),
            (401, {RENAMED: realm}, {}, [f"arrives as {RENAMED} instead of", affected, f"{switch} --stack two"], []),
            (401, {}, {}, ["is missing", affected, "?hostname=HOST&username=HOST&password=TOKEN", switch], []),
            (401, {RENAMED: realm}, {"FrontDoor": "FunctionUrl"}, [affected, "--front-door http-api --stack two"], [switch]),
            (401, {}, {"ChallengeMapping": "true"}, [affected, "--no-challenge-mapping --stack two"], [switch]),
            (500, {}, {}, ["answered 500", "401 was expected"], [affected]),
            (302, {"Location": "http://example.org/"}, {}, ["answered 302"], [affected]),
        ]
        for status, headers, parameters, present, absent in rows:
            with self.subTest(status=status, headers=headers, parameters=parameters):
                said = self.said(status, headers, **parameters)
                for words in present:
                    self.assertIn(words, said)
                for words in absent:
                    self.assertNotIn(words, said)

    def test_a_gateway_that_is_not_there_yet_is_no_error(self):
        # Port 1 of loopback refuses.
        said = self.printed("http://127.0.0.1:1/nic/update")
        self.assertIn("The challenge could not be checked: http://127.0.0.1:1/nic/update:", said)
        self.assertIn("curl -si http://127.0.0.1:1/nic/update", said)


if __name__ == "__main__":
    unittest.main()
