"""`./deploy` from the first command to the last, with the very archive, against an emulated AWS: requests pass through
its HTTP API or Function URL into `bootstrap` and change records of its Route 53."""

import json
import re
import shlex
import subprocess
import sys
import time
import unittest
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

from cloud import INSTALLED, ROOT, AwsCli, Cloud
from cloud import archive as built
from deploy.__main__ import arguments
from deploy.names import grants_of, record_names
from deploy.settings import wanted
from deploy.stack import Stack
from deploy.trouble import Trouble

OLD, NEW = "198.51.100.7", "203.0.113.9"


def printed(output):
    """The update URL and the token of each name, as ./deploy prints them."""
    url = re.search(r"^Update URL  (\S+)$", output, re.M)[1]
    return url, dict(re.findall(r"user name  (\S+)\n\s+password   (\S+)", output))


class Deployment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.aws_cli = cls.enterClassContext(AwsCli())

    def setUp(self):
        self.cloud = self.enterContext(Cloud(self.aws_cli))
        self.zone_id = self.cloud.hosted_zone("example.org")
        self.zone = ["--zone", f"example.org={self.zone_id}"]

    def update(self, url, user, password, hostname, myip):
        response, body = self.cloud.request(f"{url}?hostname={hostname}&myip={myip}", user=user, password=password)
        return response.status, body

    def new_environment(self):
        """Have Lambda start afresh, which reads the secret again; else that takes up to five minutes."""
        client = self.cloud.client("lambda")
        memory = client.get_function_configuration(FunctionName="nic53")["MemorySize"]
        client.update_function_configuration(FunctionName="nic53", MemorySize=memory + 1)

    def test_from_the_first_command_to_the_last(self):
        deploy, records = self.cloud.deploy, lambda name: self.cloud.records(self.zone_id, name)

        # A dry run makes nothing.
        output = deploy(*self.zone, "--host", "home.example.org", "--dry-run")
        self.assertIn("+ Function (AWS::Lambda::Function)", output)
        self.assertEqual(self.left(), set())

        output = deploy(*self.zone, "--host", "home.example.org", "--subtree", "dyn.example.org")
        self.assertRegex(output, r"archive \S+ \(\S+, [\d,]+ bytes, glibc 2\.\d+ or newer\)")
        self.assertRegex(output, r"CREATE_COMPLETE +nic53")
        url, tokens = printed(output)
        home, dyn = tokens["home.example.org"], tokens["dyn.example.org"]

        # A person is shown the page.
        page = re.search(r"^Page        (\S+)  ", output, re.M)[1]
        response, body = self.cloud.request(page)
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertTrue(body.startswith("<!DOCTYPE html>"))

        # What goes on from here has the URL in it.
        for command in ("nic53 setup fritzbox home.example.org --url {}", "nic53 check {} home.example.org"):
            self.assertIn(f"\n  {command.format(url.removesuffix('/nic/update'))}    #", output)

        # A client that waits for it is challenged, and ./deploy has looked.
        self.assertIn("The challenge arrives as WWW-Authenticate", output)
        response, body = self.cloud.request(f"{url}?hostname=home.example.org&myip={OLD}")
        self.assertEqual((response.status, body), (401, "badauth"))
        self.assertEqual(response.headers["WWW-Authenticate"], 'Basic realm="nic53"')
        self.assertEqual(self.update(url, "home.example.org", "wrong", "home.example.org", OLD), (401, "badauth"))
        self.assertEqual(records("home.example.org"), {})

        good, nochg = (200, f"good {OLD}"), (200, f"nochg {OLD}")
        self.assertEqual(self.update(url, "home.example.org", home, "home.example.org", OLD), good)
        self.assertEqual(records("home.example.org"), {"A": [OLD]})
        self.assertEqual(self.update(url, "home.example.org", home, "home.example.org", OLD), nochg)

        # Two hosts at once, and both families.
        both = self.update(url, "dyn.example.org", dyn, "a.dyn.example.org,b.dyn.example.org", f"{NEW},2001:db8::7")
        self.assertEqual(both, (200, f"good {NEW},2001:db8::7\ngood {NEW},2001:db8::7"))
        for name in ("a.dyn.example.org", "b.dyn.example.org"):
            self.assertEqual(records(name), {"A": [NEW], "AAAA": ["2001:db8::7"]})
        # One covered host does not let another in.
        mixed = self.update(url, "home.example.org", home, "home.example.org,a.dyn.example.org", OLD)
        self.assertEqual(mixed, (200, f"nochg {OLD}\nnohost"))

        # What the alarms look for is in the log.
        self.assertIn(["good", "good"], [line.get("codes") for line in self.log()])

        # Again: nothing changes, not even with the same words or with an archive that is built anew.
        for words, build in (([], True), ([*self.zone, "--host", "home.example.org"], False)):
            output = deploy(*words, build=build)
            self.assertIn("Nothing to change.", output)
            self.assertEqual(printed(output), (url, {}))
            self.assertIn("2 other names, as before: ./deploy --show prints them", output)
        self.assertEqual(printed(deploy("--show")), (url, tokens))

        # One host more changes that alone, the code stays, and so do the others' tokens.
        output = deploy("--host", "two.example.org", build=True)
        self.assertIn("The code that is deployed stays as it is", output)
        self.assertNotIn("archive", output)
        self.assertIn("RecordNames: home.example.org,dyn.example.org,*.dyn.example.org,two.example.org (was", output)
        self.assertNotIn("Zones:", output)
        same_url, more = printed(output)
        self.assertEqual((same_url, set(more)), (url, {"two.example.org"}))
        self.assertEqual(printed(deploy("--show")), (url, {**tokens, **more}))
        self.assertEqual(printed(deploy("--show", "Two.example.org.")), (url, more))
        shown = json.loads(deploy("--show", "home.example.org", "dyn.example.org", "--json"))
        self.assertEqual({host["user"]: host["password"] for host in shown["hosts"]}, tokens)
        self.assertEqual((shown["update_url"], shown["plain_http_url"]), (url, None))
        self.assertEqual(shown["page_url"], f"{url.removesuffix('/nic/update')}/ui")
        good = (200, f"good {OLD}")
        self.assertEqual(self.update(url, "two.example.org", more["two.example.org"], "two.example.org", OLD), good)

        # Rotated: the new tokens and the old ones.
        output = deploy("--rotate")
        self.assertNotIn("refused after this one", output)
        _, rotated = printed(output)
        self.assertNotEqual(rotated["home.example.org"], home)
        self.new_environment()
        for password, address in ((home, NEW), (rotated["home.example.org"], OLD)):
            changed = self.update(url, "home.example.org", password, "home.example.org", address)
            self.assertEqual(changed, (200, f"good {address}"))
        # A second rotation soon after shuts the first ones out, and says so. Nobody can be asked here: it wants a word.
        self.assertIn("say --yes", self.cloud.try_deploy("--rotate").stderr)
        output = deploy("--rotate", "--yes")
        self.assertIn("The last rotation was 0 days ago", output)
        _, rotated = printed(output)
        # The grace ends.
        self.assertIn("refused within five minutes", deploy("--end-grace"))
        self.new_environment()
        self.assertEqual(self.update(url, "home.example.org", home, "home.example.org", NEW), (401, "badauth"))
        unchanged = self.update(url, "home.example.org", rotated["home.example.org"], "home.example.org", OLD)
        self.assertEqual(unchanged, nochg)

        # A mistyped name is not taken for a revoked one.
        self.assertIn("that name has no token here", self.cloud.try_deploy("--revoke", "hom.example.org").stderr)
        # One host revoked: its old token is refused, its new one and the other hosts' are not.
        _, revoked = printed(deploy("--revoke", "home.example.org", build=True))
        self.assertEqual(set(revoked), {"home.example.org"})
        _, revoked = printed(deploy("--show"))
        refused = self.update(url, "home.example.org", rotated["home.example.org"], "home.example.org", NEW)
        self.assertEqual(refused, (401, "badauth"))
        self.assertEqual(records("home.example.org"), {"A": [OLD]})
        for name, address in (("home.example.org", NEW), ("dyn.example.org", NEW)):
            self.assertEqual(self.update(url, name, revoked[name], name, address), (200, f"good {address}"))
        self.assertEqual(revoked["dyn.example.org"], rotated["dyn.example.org"])

        # All gone, but for what the routers wrote.
        self.assertIn("say --yes", self.cloud.try_deploy("--remove").stderr)
        output = deploy("--remove", "--yes")
        self.assertIn("left: the A and AAAA records", output)
        self.assertEqual(self.left(), set())
        self.assertEqual(records("home.example.org"), {"A": [NEW]})

    def test_names_come_and_go_on_a_machine_without_rust(self):
        self.cloud.deploy(*self.zone, "--host", "home.example.org")
        tools = Path(self.cloud.directory.name) / "tools"
        tools.mkdir()
        for tool in (sys.executable, Path(self.aws_cli) / "aws"):
            (tools / ("python3" if tool == sys.executable else "aws")).symlink_to(Path(tool).resolve())
        bare = {"PATH": str(tools)}
        for words, names, said in [
            (["--host", "two.example.org"], {"home.example.org", "two.example.org"}, "The code that is deployed stays"),
            (["--revoke", "two.example.org"], {"home.example.org", "two.example.org"}, "Generations: two.example.org=1"),
            (["--drop", "home.example.org"], {"two.example.org"}, "left: the token of home.example.org. If the name is "),
        ]:
            with self.subTest(words):
                done = self.cloud.try_deploy(*words, build=True, environment=bare)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn(said, done.stdout)
                self.assertEqual(set(printed(self.cloud.deploy("--show"))[1]), names)
        # Dropping is not revoking, and the way to that is named.
        self.assertIn("add --revoke home.example.org then", done.stdout)
        done = self.cloud.try_deploy(build=True, environment=bare)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cargo is not installed: install Rust (https://rustup.rs), or give a released archive", done.stderr)

    def test_interrupted_anywhere_it_says_so_and_the_next_run_completes_it(self):
        words = [*self.zone, "--host", "home.example.org", "--archive", built()]
        interrupted = 0
        for lines in (0, 1, 2, 4, 9, 20):
            with self.subTest(lines=lines):
                more = ["--host", f"h{lines}.example.org"]
                # The first line shows that it runs.
                done = self.cloud.interrupt(lambda printed: len(printed) > lines, *words, *more)
                self.assertIn(done.returncode, (0, 1))
                interrupted += done.returncode
                if done.returncode:
                    self.assertRegex(done.stderr, r"^deploy: (interrupted|another deployment)[^\n]*\n$")
        self.assertGreater(interrupted, 2)
        self.await_stack()
        _, tokens = printed(self.cloud.deploy(*words) + self.cloud.deploy("--show"))
        self.assertIn("home.example.org", tokens)

    def await_stack(self):
        """Wait until CloudFormation is done with what it has begun."""
        while any(s["StackStatus"].endswith("_IN_PROGRESS") for s in self.stacks()):
            time.sleep(0.2)

    def stacks(self):
        """The stacks that have anything in them."""
        found = self.cloud.client("cloudformation").describe_stacks()["Stacks"]
        return [stack for stack in found if stack["StackStatus"] != "REVIEW_IN_PROGRESS"]

    def test_two_at_once_never_undo_each_other_unseen(self):
        self.cloud.deploy(*self.zone, "--host", "home.example.org")
        names = ["one.example.org", "two.example.org"]
        with ThreadPoolExecutor() as both:
            done = list(both.map(lambda name: self.cloud.try_deploy("--host", name, build=True), names))
        self.await_stack()
        (parameters,) = (stack["Parameters"] for stack in self.stacks())
        (served,) = (p["ParameterValue"].split(",") for p in parameters if p["ParameterKey"] == "RecordNames")
        for name, ended in zip(names, done):
            with self.subTest(name):
                if ended.returncode:
                    self.assertRegex(ended.stderr, r"^deploy: another deployment [^\n]*\n$")
                else:
                    self.assertIn(name, served)
        self.assertIn(0, [ended.returncode for ended in done])

    def test_a_function_url_and_a_kept_secret(self):
        deploy = self.cloud.deploy
        deploy(*self.zone, "--host", "home.example.org")
        output = deploy("--front-door", "function-url", "--set", "AllowOffline=true")
        url, tokens = printed(output)
        self.assertIn(".lambda-url.", url)
        home = tokens["home.example.org"]
        self.assertEqual(self.update(url, "home.example.org", home, "home.example.org", OLD), (200, f"good {OLD}"))
        self.assertEqual(self.cloud.records(self.zone_id, "home.example.org"), {"A": [OLD]})
        offline, body = self.cloud.request(f"{url}?offline=YES", user="home.example.org", password=home)
        self.assertEqual((offline.status, body), (200, "good 0.0.0.0"))
        self.assertEqual(self.cloud.records(self.zone_id, "home.example.org"), {})

        # The tokens outlive the stack when asked, the previous ones too.
        _, rotated = printed(deploy("--rotate"))
        arn = re.search(r"left: the secret (\S+);", deploy("--remove", "--keep-secret", "--yes"))[1]
        self.assertEqual({kind for kind, _ in self.left()}, {"secret"})
        self.assertIn("There is no stack nic53.", deploy("--remove"))
        url, again = printed(deploy(*self.zone, "--host", "home.example.org", "--secret", arn))
        self.assertEqual(again, rotated)
        self.assertEqual(self.update(url, "home.example.org", home, "home.example.org", OLD), (200, f"good {OLD}"))

    def test_several_zones_are_words_not_edits_and_the_bucket_may_be_ones_own(self):
        s3 = self.cloud.client("s3")
        s3.create_bucket(Bucket="mine")
        s3.put_object(Bucket="mine", Key="nic53-notes.txt", Body=b"")
        zone_id = self.cloud.hosted_zone("home.example.net")
        # The id is found if the name is unique.
        output = self.cloud.deploy(
            "--zone",
            "example.org",
            "--zone",
            "home.example.net",
            "--host",
            "a.example.org",
            "--host",
            "home.example.net",
            "--bucket",
            "mine",
        )
        url, tokens = printed(output)
        for name, at in (("a.example.org", self.zone_id), ("home.example.net", zone_id)):
            self.assertEqual(self.update(url, name, tokens[name], name, OLD), (200, f"good {OLD}"))
            self.assertEqual(self.cloud.records(at, name)["A"], [OLD])
        # An archive that somebody else put there under that name is not used.
        (key,) = [e["Key"] for e in s3.list_objects_v2(Bucket="mine")["Contents"] if e["Key"] != "nic53-notes.txt"]
        self.assertNotIn("uploading", self.cloud.deploy())
        s3.put_object(Bucket="mine", Key=key, Body=b"of somebody else", ChecksumAlgorithm="SHA256")
        self.assertIn(f"uploading to s3://mine/{key}", self.cloud.deploy())
        stored = s3.get_object(Bucket="mine", Key=key)["Body"].read()
        self.assertEqual(stored, Path(built()).read_bytes())
        # And taken away again.
        output = self.cloud.deploy("--drop", "home.example.net", build=True)
        self.assertIn("left: the token of home.example.net.", output)
        self.assertEqual(set(printed(self.cloud.deploy("--show"))[1]), {"a.example.org"})
        self.assertIn("has no token here", self.cloud.try_deploy("--show", "home.example.net").stderr)
        # What was put into the bucket goes again, and nothing else there.
        self.assertEqual(len(s3.list_objects_v2(Bucket="mine")["Contents"]), 2)
        self.cloud.deploy("--remove", "--yes")
        self.assertEqual([e["Key"] for e in s3.list_objects_v2(Bucket="mine")["Contents"]], ["nic53-notes.txt"])

    def test_what_is_wrong_is_said_before_anything_is_made(self):
        other = self.cloud.hosted_zone("example.com")
        host = ["--host", "home.example.org"]
        rows = [
            (self.zone, "which names? Say --host"),
            (["--zone", f"example.org={other}", *host], "that zone is example.com"),
            (["--zone", "example.org=ZNOTHING", *host], "--zone example.org=ZNOTHING"),
            (["--zone", "example.net", *host], "no public zones named example.net"),
            ([*self.zone, *host, "--domain", "ddns.example.net"], "no public zone that holds it"),
            ([*self.zone, *host, "--archive", "nothing.zip"], "--archive nothing.zip: no such file"),
            ([*self.zone, *host, "--bucket", "mistyped"], "bucket mistyped does not exist"),
            (["--rotate"], "there is no stack nic53 in us-east-1"),
        ]
        for words, said in rows:
            with self.subTest(words):
                done = self.cloud.try_deploy(*words)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(said, done.stderr)
                self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(self.left(), set())

    def test_a_domain_and_its_family_names_and_cloudfront_in_front(self):
        words = [*self.zone, "--host", "home.example.org", "--domain", "ddns.example.org"]
        url, tokens = printed(self.cloud.deploy(*words, "--family-names"))
        self.assertEqual(url, "https://ddns.example.org/nic/update")
        home = tokens["home.example.org"]
        self.assertEqual(self.update(url, "home.example.org", home, "home.example.org", OLD), (200, f"good {OLD}"))
        for name, types in (("ddns", {"A", "AAAA"}), ("ipv4.ddns", {"A"}), ("ipv6.ddns", {"AAAA"})):
            self.assertEqual(set(self.cloud.records(self.zone_id, f"{name}.example.org")), types)
            response, body = self.cloud.request(f"https://{name}.example.org/checkip")
            self.assertEqual((response.status, "Current IP Address: 127.0.0.1" in body), (200, True), name)

        # What CloudFront says of the viewer is believed from it alone.
        output = self.cloud.deploy("--no-family-names", "--plain-http")
        self.assertIn("http://ddns.example.org/nic/update", output)
        distributions = self.cloud.client("cloudfront").list_distributions()["DistributionList"]["Items"]
        header = distributions[0]["Origins"]["Items"][0]["CustomHeaders"]["Items"][0]
        viewer = {"CloudFront-Viewer-Address": f"{NEW}:4711"}
        by_cloudfront = {**viewer, header["HeaderName"]: header["HeaderValue"]}
        by_others = {**viewer, header["HeaderName"]: "guessed"}
        asked = f"{url}?hostname=home.example.org"
        for headers, body in ((viewer, "dnserr"), (by_others, "dnserr"), (by_cloudfront, f"good {NEW}")):
            response = self.cloud.request(asked, user="home.example.org", password=home, headers=headers)
            self.assertEqual(response[1], body, headers)
        apis = self.cloud.client("apigatewayv2").get_apis()["Items"]
        self.assertEqual([api["DisableExecuteApiEndpoint"] for api in apis], [True])
        live = self.cloud.client("cloudfront").list_functions(Stage="LIVE")["FunctionList"]["Items"]
        self.assertEqual([function["Name"] for function in live], ["nic53-challenge"])
        # Its secret is nowhere printed, and stays with the next deployment.
        self.assertNotIn(header["HeaderValue"], output)
        self.assertIn("Nothing to change.", self.cloud.deploy("--plain-http"))

        # The certificate's proof is left, and named.
        output = self.cloud.deploy("--remove", "--yes")
        self.assertRegex(output, r"left: _[\w-]+\.ddns\.example\.org\.? CNAME, ACM's proof")
        self.assertEqual(self.left(), set())
        self.assertEqual(self.cloud.records(self.zone_id, "ddns.example.org"), {})

    def test_a_deployment_that_failed_is_explained_and_can_be_tried_again(self):
        words = [*self.zone, "--host", "home.example.org"]
        failed = self.cloud.try_deploy(*words, "--set", "Domain=ddns.example.org", "--set", "DomainZoneId=ZNOTHING")
        self.assertEqual(failed.returncode, 1)
        self.assertRegex(failed.stderr, r"ended with ROLLBACK_COMPLETE:\n  Address\w*: .*ZNOTHING")
        self.assertIn("its first deployment failed", self.cloud.try_deploy(*words, "--dry-run").stderr)
        # What it was told is still known: only what was wrong needs to be said, and what CloudFormation conceals.
        self.assertIn("say --plain-http or --no-plain-http", self.cloud.try_deploy().stderr)
        output = self.cloud.deploy("--domain", "ddns.example.org", "--no-plain-http")
        self.assertIn("its empty stack is removed first", output)
        url, tokens = printed(output)
        self.assertEqual((url, set(tokens)), ("https://ddns.example.org/nic/update", {"home.example.org"}))

    def test_missing_tools_credentials_and_permissions_are_named(self):
        words = [*self.zone, "--host", "home.example.org"]
        alone = Path(self.cloud.directory.name) / "alone"
        alone.mkdir()
        (alone / "python3").symlink_to(Path(sys.executable).resolve())
        bare = {"PATH": str(alone)}
        self.assertIn("the AWS CLI is not installed", self.cloud.try_deploy(*words, environment=bare).stderr)

        stranger = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        self.assertIn("no usable AWS credentials", self.cloud.try_deploy(*words, environment=stranger).stderr)

        iam = self.cloud.client("iam")
        iam.create_user(UserName="weak")
        allowed = ["cloudformation:*", "route53:*", "iam:*", "s3:*", "logs:*", "secretsmanager:*", "apigateway:*"]
        statement = [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_user_policy(UserName="weak", PolicyName="weak", PolicyDocument=policy)
        key = iam.create_access_key(UserName="weak")["AccessKey"]
        weak = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        said = self.cloud.try_deploy(*words, environment=weak).stderr
        self.assertIn("user/weak lacks permissions", said)
        self.assertIn("lambda:CreateFunction on arn:aws:lambda:us-east-1:000000000000:function:nic53", said)
        self.assertNotIn("route53", said)
        self.assertEqual(self.left(), set())

    def test_only_what_lambda_can_run_is_uploaded(self):
        elf = b"\x7fELF" + b"\0" * 14 + b"\x3e\0" + b"\0" * 40
        rows = [
            ("other", 0o755, elf, [], "an executable named bootstrap at the root"),
            ("bin/bootstrap", 0o755, elf, [], "an executable named bootstrap at the root"),
            ("bootstrap", 0o644, elf, [], "an executable named bootstrap at the root"),
            ("bootstrap", 0o755, b"#!/bin/sh\n", [], "no machine Lambda has"),
            ("bootstrap", 0o755, elf, ["--arch", "arm64"], "is for x86_64, not for arm64"),
            ("bootstrap", 0o755, elf + b"GLIBC_2.17\0GLIBC_2.39\0", [], "wants glibc 2.39, and Lambda has 2.34"),
            ("bootstrap", 0o755, elf + b"GLIBC_2.17\0GLIBC_2.34\0", [], None),
        ]
        archive = Path(self.cloud.directory.name) / "archive.zip"
        for name, mode, content, words, said in rows:
            with self.subTest(name=name, mode=mode, words=words):
                entry = zipfile.ZipInfo(name)
                entry.external_attr = mode << 16
                with zipfile.ZipFile(archive, "w") as zipped:
                    zipped.writestr(entry, content)
                done = self.cloud.try_deploy("--build", "--archive", str(archive), *words)
                if said:
                    self.assertIn(said, done.stderr)
                else:
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_quick_cli_answers_as_the_installed_one(self):
        given = {**self.cloud.environment, "AWS_ACCESS_KEY_ID": "", "AWS_DEFAULT_REGION": "eu-west-1"}
        directory = self.cloud.directory.name
        (Path(directory) / "body").touch()
        put = ["s3api", "put-object", "--bucket", "mine", "--key", "body", "--body", "body"]
        for words, status, said in ((["configure", "list"], 0, "eu-west-1"), (put, 255, "locate credentials")):
            with self.subTest(words):
                quick, installed = (
                    subprocess.run([f"{folder}/aws", *words], env=given, cwd=directory, capture_output=True, text=True)
                    for folder in (self.aws_cli, INSTALLED)
                )
                self.assertEqual(quick.returncode, status, quick.stderr)
                self.assertIn(said, quick.stdout + quick.stderr)
                for part in ("returncode", "stdout", "stderr"):
                    self.assertEqual(getattr(quick, part), getattr(installed, part))

    def test_by_hand_as_the_docs_say(self):
        section = (ROOT / "docs" / "deploy.md").read_text().split("\n## By hand\n")[1]
        commands = re.search(r"```sh\n(.*?)```", section, re.S)[1].replace("\\\n", " ").strip().splitlines()
        commands = [shlex.split(line) for line in commands if line]
        self.assertEqual([command[0] for command in commands], ["aws"] * 3)
        self.cloud.client("s3").create_bucket(Bucket="by-hand")
        archive = re.search(r"archive (\S+) \((\S+),", self.cloud.deploy("--build"))
        given = {
            "target/nic53-lambda-x86_64.zip": archive[1],
            "Architecture=x86_64": f"Architecture={archive[2]}",
            "YOUR-BUCKET": "by-hand",
            "Z0123ABC": self.zone_id,
        }
        for command in commands:
            for placeholder, value in given.items():
                command = [word.replace(placeholder, value) for word in command]
            done = subprocess.run(command, cwd=ROOT, env=self.cloud.environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        url = re.search(r"http\S+/nic/update", done.stdout)[0]
        # Its tokens are those of any deployment.
        _, tokens = printed(self.cloud.deploy("--show"))
        for name in ("home.example.org", "dyn.example.org"):
            self.assertEqual(self.update(url, name, tokens[name], name, OLD), (200, f"good {OLD}"))

    def left(self):
        """All there is in the account, but for its zones."""
        client = self.cloud.client
        distributions = client("cloudfront").list_distributions()["DistributionList"]
        functions = client("cloudfront").list_functions()["FunctionList"]
        return {
            *(("stack", s["StackName"]) for s in client("cloudformation").describe_stacks()["Stacks"]),
            *(("bucket", b["Name"]) for b in client("s3").list_buckets()["Buckets"]),
            *(("function", f["FunctionName"]) for f in client("lambda").list_functions()["Functions"]),
            *(("role", r["RoleName"]) for r in client("iam").list_roles()["Roles"]),
            *(("secret", s["Name"]) for s in client("secretsmanager").list_secrets()["SecretList"]),
            *(("api", a["ApiId"]) for a in client("apigatewayv2").get_apis()["Items"]),
            *(("domain", d["DomainName"]) for d in client("apigatewayv2").get_domain_names()["Items"]),
            *(("certificate", c["DomainName"]) for c in client("acm").list_certificates()["CertificateSummaryList"]),
            *(("distribution", d["Id"]) for d in distributions.get("Items", [])),
            *(("edge function", f["Name"]) for f in functions.get("Items", [])),
            *(("log", g["logGroupName"]) for g in client("logs").describe_log_groups()["logGroups"]),
        }

    def log(self):
        """The gateway's own lines."""
        events = self.cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/nic53")["events"]
        return [json.loads(event["message"]) for event in events if event["message"].startswith("{")]


class Words(unittest.TestCase):
    """What a command line means, without AWS."""

    def wanted(self, *words, **parameters):
        stack = Stack("nic53", parameters=parameters)
        with mock.patch.object(sys, "argv", ["deploy", *words]):
            return wanted(None, arguments(), stack, {"Memory"})

    def test_what_makes_no_sense_is_refused(self):
        zone = {"Zones": "example.org=Z1,dyn.example.org=Z2", "RecordNames": "home.example.org"}
        subtree = {"Zones": "example.org=Z1", "RecordNames": "lan.example.org,*.lan.example.org"}
        rows = [
            ([], {}, "which zone? Say --zone"),
            ([], {"Zones": "example.org=Z1"}, None),
            (["--drop", "home.example.org"], zone, "which names? Say --host"),
            (["--drop", "two.example.org"], zone, "neither a host nor a zone here"),
            (["--drop", "example.org"], zone, "--drop example.org: home.example.org would be in no zone"),
            (["--drop", "example.org", "--host", "a.example.org"], zone, "home.example.org and 1 more would be in no"),
            (["--drop", "example.org", "--drop", "home.example.org", "--host", "a.dyn.example.org"], zone, None),
            (["--drop", "dyn.example.org", "--host", "a.dyn.example.org"], zone, None),
            (["--host", "home.example.net"], zone, "home.example.net is in none of the zones example.org"),
            (["--host", "example.orgx"], zone, "is in none of the zones"),
            (["--revoke", "home.example.net"], zone, "is in none of the zones"),
            (["--revoke", "hom.example.org"], zone, "--revoke hom.example.org: that name has no token here"),
            (["--revoke", "hom.example.org"], zone, "those that have: home.example.org"),
            (["--revoke", "a.home.example.org"], zone, "--revoke a.home.example.org: that name has no token here"),
            (["--revoke", "example.org"], subtree, "a name below lan.example.org"),
            (["--revoke", "alan.example.org"], subtree, "that name has no token here"),
            (["--revoke", "a.lan.example.org"], subtree, None),
            (["--revoke", "lan.example.org"], subtree, None),
            (["--revoke", "home.example.org", "--drop", "home.example.org", "--host", "a.example.org"], zone, None),
            (["--revoke", "a.example.org"], {**zone, "RecordNames": ""}, None),
            (["--revoke", "a.example.org", "--any-name"], zone, None),
            (["--host", "home"], zone, "'home' is not a fully qualified name"),
            (["--host", "home..example.org"], zone, "is not a fully qualified name"),
            (["--host", "home.*.example.org"], zone, "is not a fully qualified name"),
            (["--subtree", "*.example.org"], zone, "say --subtree example.org"),
            (["--any-name", "--host", "two.example.org"], zone, "--any-name needs no --host"),
            (["--set", "Colour=red"], zone, "--set Colour=red: say --set NAME=VALUE"),
            (["--set", "Memory"], zone, "--set Memory: say --set NAME=VALUE"),
        ]
        for words, parameters, said in rows:
            with self.subTest(words=words):
                if said is None:
                    self.wanted(*words, **parameters)
                    continue
                with self.assertRaises(Trouble) as refused:
                    self.wanted(*words, **parameters)
                self.assertIn(said, str(refused.exception))

    def test_what_is_said_is_added_to_what_is_there(self):
        zone = {"Zones": "example.org=Z1", "Generations": "home.example.org=2"}
        rows = [
            (["--host", "Home.Example.ORG."], "", "home.example.org"),
            (["--host", "*.example.org"], "", "\\052.example.org"),
            (
                ["--subtree", "dyn.example.org"],
                "home.example.org",
                "home.example.org,dyn.example.org,*.dyn.example.org",
            ),
            (["--subtree", "home.example.org"], "home.example.org", "home.example.org,*.home.example.org"),
            (["--host", "home.example.org"], "home.example.org,*.home.example.org", "home.example.org"),
            (["--drop", "a.example.org"], "a.example.org,*.a.example.org,b.example.org", "b.example.org"),
            (["--any-name"], "home.example.org", ""),
        ]
        for words, before, after in rows:
            with self.subTest(words=words, before=before):
                self.assertEqual(self.wanted(*words, **zone, RecordNames=before)["RecordNames"], after)
        both = {"Zones": "example.org=Z1,home.example.org=Z2", "RecordNames": "home.example.org,a.example.org"}
        dropped = self.wanted("--drop", "home.example.org", **both)
        self.assertEqual(dropped, {"Zones": "example.org=Z1", "ZoneIds": "Z1", "RecordNames": "a.example.org"})
        two = {"Zones": "example.org=Z1,example.net=Z2", "RecordNames": "a.example.org"}
        dropped = self.wanted("--drop", "example.net", **two, Generations="b.example.net=1,home.example.org=2")
        self.assertEqual(dropped["Generations"], "home.example.org=2")
        revoked = self.wanted("--revoke", "home.example.org", "--revoke", "two.example.org", **zone, RecordNames="")
        self.assertEqual(revoked["Generations"], "home.example.org=3,two.example.org=1")

    def test_a_switch_is_a_parameter(self):
        zone = {"Zones": "example.org=Z1", "RecordNames": "home.example.org"}
        for flag, parameter in (("challenge-mapping", "ChallengeMapping"), ("family-names", "FamilyNames")):
            with self.subTest(flag):
                self.assertEqual(self.wanted(f"--{flag}", **zone)[parameter], "true")
                self.assertEqual(self.wanted(f"--no-{flag}", **zone)[parameter], "false")
                # Without it, whatever was there stays.
                self.assertNotIn(parameter, self.wanted("--host", "home.example.org", **zone))

    def test_the_names_of_the_role_are_the_grants_again(self):
        grants = {"home.example.org": "host", "dyn.example.org": "subtree", "*.wild.example.org": "host"}
        self.assertEqual(grants_of(",".join(record_names(grants))), grants)

    def test_the_region_is_one_that_a_second_run_finds_again(self):
        # Whatever the AWS CLI is set to.
        with mock.patch.object(sys, "argv", ["deploy"]), mock.patch.dict("os.environ", {"AWS_REGION": "eu-west-1"}):
            self.assertEqual(arguments().region, "us-east-1")


if __name__ == "__main__":
    unittest.main()
