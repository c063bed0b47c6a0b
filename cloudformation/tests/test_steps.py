"""What `./deploy` asks of AWS, step by step, against answers made up here: what an emulator seldom says."""

import contextlib
import io
import re
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

from cloud import ROOT
from deploy.__main__ import arguments, main
from deploy.archive import archive
from deploy.aws import Aws, AwsError
from deploy.bucket import check_bucket, own_bucket, remove_archives, upload
from deploy.change_set import alone, create_change_set
from deploy.confirm import confirm
from deploy.deployment import apply, deploy, keeps_code
from deploy.permissions import check_permissions, permissions
from deploy.remove import certificate_records, keep_secret, remove
from deploy.settings import planned, tried
from deploy.show import changed_names
from deploy.stack import Stack, delete_stack
from deploy.tokens import tokens
from deploy.trouble import Trouble
from deploy.zones import check_zone, find_zone

ACCOUNT = "000000000000"
STACK_ID = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/nic53/11111111-2222-3333-4444-555555555555"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:Secret-abc"
IDENTITY = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}


def refused(code):
    return AwsError("command", f"An error occurred ({code}) when calling the operation: no")


class Stub:
    """AWS whose answers are given by command: a dictionary, an error, or a function of the request."""

    region = "us-east-1"

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def __call__(self, command, *words, **request):
        self.calls.append((command.split()[1], request))
        answer = self.answers.get(command.split()[1].replace("-", "_"), {})
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def called(self, command):
        return [request for name, request in self.calls if name == command]


class Secrets(Stub):
    """A Secrets Manager with the stack's secret in it, and a CloudFormation that deletes or fails to."""

    def __init__(self, **answers):
        super().__init__(**answers)
        self.values = {SECRET: ["previous", "current"]}

    def __call__(self, command, *words, **request):
        name, arn = command.split()[1], request.get("SecretId")
        if name in ("describe-secret", "get-secret-value", "list-secret-version-ids") and arn not in self.values:
            raise refused("ResourceNotFoundException")
        if name == "describe-secret":
            return {"ARN": arn}
        if name == "create-secret":
            self.values[request["Name"]] = [request["SecretString"]]
            return {"ARN": request["Name"]}
        if name == "put-secret-value":
            self.values[arn].append(request["SecretString"])
        if name == "get-secret-value":
            return {"SecretString": self.values[arn][{"AWSCURRENT": -1, "AWSPREVIOUS": -2}[request["VersionStage"]]]}
        if name == "list-secret-version-ids":
            stages = ["AWSCURRENT", "AWSPREVIOUS"][: len(self.values[arn])]
            return {"Versions": [{"VersionStages": [stage], "CreatedDate": 0} for stage in stages]}
        return super().__call__(command, *words, **request)


class Steps(unittest.TestCase):
    def setUp(self):
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.said))
        self.enterContext(mock.patch("time.sleep"))

    def options(self, *words):
        with mock.patch.object(sys, "argv", ["deploy", *words]):
            return arguments()

    def trouble(self, call, *given):
        with self.assertRaises(Trouble) as refused:
            call(*given)
        said = str(refused.exception)
        self.assertNotIn("\n", said)
        return said

    def stack(self, status="CREATE_COMPLETE", **parameters):
        parameters = {"Zones": "example.org=Z1", "RecordNames": "home.example.org", **parameters}
        return Stack("nic53", STACK_ID, status, parameters, {"SecretArn": SECRET})

    def test_where_nobody_can_be_asked_the_answer_is_no(self):
        terminal = mock.Mock(isatty=lambda: True, readline=lambda: "")
        for stdin, words, answer, said in [
            (io.StringIO(), [], None, "Sure? There is no terminal to ask on: say --yes"),
            (io.StringIO(), ["--yes"], None, None),
            (terminal, [], "", "nothing done"),
            (terminal, [], "n", "nothing done"),
            (terminal, [], "y", None),
            (terminal, [], EOFError, "nothing done"),
            (terminal, ["--yes"], "n", None),
        ]:
            side = {"side_effect": answer} if answer is EOFError else {"return_value": answer}
            with self.subTest(words=words, answer=answer, said=said), mock.patch("sys.stdin", stdin):
                with mock.patch("builtins.input", **side):
                    if said:
                        self.assertEqual(self.trouble(confirm, "Sure?", self.options(*words)), said)
                    else:
                        confirm("Sure?", self.options(*words))
        aws = Stub()
        with mock.patch("sys.stdin", io.StringIO()):
            self.trouble(remove, aws, ACCOUNT, self.stack(), self.options("--remove"))
        self.assertEqual(aws.calls, [])

    def test_the_kept_secret_is_named_at_once_and_found_again(self):
        options = self.options("--remove", "--keep-secret", "--yes")
        aws = Secrets(delete_stack=refused("Busy"), describe_stack_events={"StackEvents": []})
        for _ in range(2):
            with self.assertRaises(AwsError):
                remove(aws, ACCOUNT, self.stack(), options)
        # One copy, both of its values, named though the deletion failed.
        name = "nic53-kept-11111111-2222-3333-4444-555555555555"
        self.assertEqual(aws.values, {SECRET: ["previous", "current"], name: ["previous", "current"]})
        self.assertEqual(self.said.getvalue(), f"the secret is kept as {name}\n" * 2)
        # Rotated in between: the copy follows.
        aws.values[SECRET].append("newer")
        keep_secret(aws, self.stack())
        self.assertEqual(aws.values[name], ["previous", "current", "newer"])
        # The failed deletion took the secret, and perhaps the outputs: the copy is still known.
        del aws.values[SECRET]
        self.assertEqual(keep_secret(aws, self.stack("DELETE_FAILED")), name)
        bare = Stack("nic53", STACK_ID, "DELETE_FAILED")
        self.assertEqual(keep_secret(aws, bare), name)
        self.assertEqual(aws.values[name], ["previous", "current", "newer"])
        # But only if the secret is gone.
        with mock.patch("deploy.remove.secret_stages", side_effect=refused("AccessDeniedException")):
            with self.assertRaises(AwsError):
                keep_secret(aws, self.stack("DELETE_FAILED"))
        # A stack that came after it has a secret of its own.
        other = Stack("nic53", STACK_ID.replace("1111", "9999"), "ROLLBACK_COMPLETE")
        said = self.trouble(keep_secret, aws, other)
        self.assertIn("stack nic53 is ROLLBACK_COMPLETE and has no secret", said)

    def test_the_certificate_may_be_gone_already(self):
        listed = {"StackResources": [{"LogicalResourceId": "Certificate", "PhysicalResourceId": "arn"}]}
        stack = self.stack("DELETE_FAILED", Domain="ddns.example.org")
        proof = {"DomainValidationOptions": [{"ResourceRecord": {"Name": "_x.ddns.example.org"}}]}
        for answer, found in ((refused("ResourceNotFoundException"), 0), ({"Certificate": proof}, 1)):
            aws = Stub(describe_stack_resources=listed, describe_certificate=answer)
            self.assertEqual(len(certificate_records(aws, stack)), found)

    def test_a_copy_cut_short_is_completed(self):
        aws = Secrets(put_secret_value=KeyboardInterrupt())
        aws.values["nic53-kept-11111111-2222-3333-4444-555555555555"] = ["previous"]
        with contextlib.suppress(KeyboardInterrupt):
            keep_secret(aws, self.stack())
        self.assertEqual(aws.values["nic53-kept-11111111-2222-3333-4444-555555555555"], ["previous", "current"])

    def test_only_the_own_bucket_is_made(self):
        own = f"nic53-code-{ACCOUNT}-us-east-1"
        rows = [
            (own, {}, True),
            (own, refused("404"), False),
            ("mine", {}, True),
            ("mine", refused("404"), "bucket mine does not exist: give one of yours in us-east-1 with --bucket"),
            ("mine", refused("403"), "bucket mine cannot be used: it must belong to account 000000000000"),
            (own, refused("403"), f"bucket {own} cannot be used"),
        ]
        for bucket, answer, expected in rows:
            with self.subTest(bucket=bucket, expected=expected):
                aws, call = Stub(head_bucket=answer), check_bucket
                if isinstance(expected, str):
                    self.assertIn(expected, self.trouble(call, aws, ACCOUNT, bucket, self.options()))
                else:
                    self.assertIs(call(aws, ACCOUNT, bucket, self.options()), expected)
                self.assertEqual([name for name, _ in aws.calls], ["head-bucket"])

    def test_no_archive_is_left_in_a_bucket_of_the_users(self):
        old, now = "nic53-0123456789abcdef.zip", "nic53-fedcba9876543210.zip"
        there = {"Contents": [{"Key": key} for key in (old, now, "nic53-notes.zip", "nic53-two-0123456789abcdef.zip")]}
        by_hand = "the archive s3://mine/nic53-1.zip"
        denied = f"the archives s3://mine/nic53-*.zip ({refused('AccessDenied')})"
        rows = [
            (now, {"list_objects_v2": there}, [old, now], []),
            ("nic53-1.zip", {"list_objects_v2": there}, [old, now], [by_hand]),
            (now, {"list_objects_v2": {}}, [], []),
            (now, {"list_objects_v2": refused("NoSuchBucket")}, [], []),
            (now, {"list_objects_v2": refused("AccessDenied")}, [], [denied]),
            (now, {"list_objects_v2": there, "delete_object": refused("AccessDenied")}, [old], [denied]),
        ]
        for key, answers, deleted, left in rows:
            with self.subTest(key=key, left=left):
                aws = Stub(**answers)
                found = remove_archives(aws, ACCOUNT, self.stack(CodeKey=key), "mine")
                self.assertEqual(found, left)
                self.assertEqual([request["Key"] for request in aws.called("delete-object")], deleted)

    def permissions(self, words=(), outputs=None, **parameters):
        stack = Stack("nic53", STACK_ID, "CREATE_COMPLETE", parameters, outputs or {})
        parameters = planned(stack, {"CodeBucket": "mine", **dict(words)})
        found = permissions(ACCOUNT, self.options(), parameters)
        return {f"{action} {arn}" for arn, actions in found.items() for action in actions}

    def test_what_the_stack_has_is_checked_though_nothing_is_said(self):
        zone, plain = "arn:aws:route53:::hostedzone/Z9", {"PlainHttpUrl": "http://ddns.example.org/nic/update"}
        domain = {"Domain": "ddns.example.org", "DomainZoneId": "Z9"}
        topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:nic53-Topic-*"
        function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:nic53"
        log_group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/nic53:*"
        alarms = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:nic53-*"
        rows = [
            ({}, {"s3:PutObject arn:aws:s3:::mine/*", f"lambda:UpdateFunctionCode {function}"}),
            (
                {"AlarmEmail": "you@example.org"},
                {
                    f"sns:Subscribe {topic}",
                    f"cloudwatch:PutMetricAlarm {alarms}",
                    f"logs:PutMetricFilter {log_group}",
                },
            ),
            (
                domain,
                {
                    f"route53:ChangeResourceRecordSets {zone}",
                    "acm:RequestCertificate *",
                    "apigateway:POST arn:aws:apigateway:us-east-1::/domainnames",
                },
            ),
            ({"FrontDoor": "FunctionUrl"}, {f"lambda:CreateFunctionUrlConfig {function}"}),
            ({"FrontDoor": "HttpApi"}, {"apigateway:POST arn:aws:apigateway:us-east-1::/apis"}),
            ({"ReservedConcurrency": "10"}, {f"lambda:PutFunctionConcurrency {function}"}),
            ({"SecretArn": SECRET}, {f"secretsmanager:GetSecretValue {SECRET}"}),
        ]
        for parameters, expected in rows:
            with self.subTest(parameters):
                found = self.permissions(**parameters)
                self.assertLessEqual(expected, found)
                # The same if they are given only now.
                self.assertEqual(self.permissions(parameters.items()), found)
        plainly = self.permissions()
        for word in ("sns:", "cloudwatch:", "MetricFilter", "acm:", "cloudfront:", "route53:", "UrlConfig"):
            self.assertFalse([line for line in plainly if word in line], word)
        self.assertNotIn("apigateway", str(self.permissions(FrontDoor="FunctionUrl")))
        # CloudFormation shows asterisks whether or not there is a value.
        distribution = f"cloudfront:CreateDistribution arn:aws:cloudfront::{ACCOUNT}:distribution/*"
        for outputs, words, expected in [
            (plain, {}, True),
            (None, {}, False),
            (None, {"OriginSecret": "new"}, True),
            (plain, {"OriginSecret": ""}, False),
        ]:
            found = self.permissions(words.items(), outputs, **domain, OriginSecret="****")
            self.assertIs(distribution in found, expected, (outputs, words))

    def test_only_what_is_surely_missing_is_named(self):
        def answer(request):
            results = [{"EvalActionName": name, "EvalDecision": "allowed"} for name in request["ActionNames"]]
            for result in results:
                if result["EvalActionName"] == "lambda:CreateFunction":
                    result["EvalDecision"] = "implicitDeny"
                if result["EvalActionName"] == "iam:PassRole":
                    result.update(EvalDecision="implicitDeny", MissingContextValues=["iam:PassedToService"])
            return {"EvaluationResults": results}

        aws = Stub(simulate_principal_policy=answer)
        with self.assertRaises(Trouble) as found:
            check_permissions(aws, IDENTITY, self.options(), {"CodeBucket": "mine"})
        self.assertIn("lambda:CreateFunction on", str(found.exception))
        self.assertNotIn("PassRole", str(found.exception))

    def test_a_deployment_that_failed_is_remembered(self):
        first = {"Zones": "example.org=Z1", "RecordNames": "home.example.org", "AlarmEmail": "you@example.org"}
        with_domain = {**first, "Domain": "ddns.example.org", "OriginSecret": "****"}
        rows = [
            (first, [], first),
            ({**first, "OriginSecret": "****", "Domain": ""}, [], {**first, "Domain": ""}),
            (with_domain, ["--plain-http"], {**first, "Domain": "ddns.example.org"}),
            (with_domain, ["--no-plain-http"], {**first, "Domain": "ddns.example.org"}),
            (with_domain, [], "say --plain-http or --no-plain-http"),
        ]
        for parameters, words, expected in rows:
            with self.subTest(parameters=parameters, words=words):
                failed = Stack("nic53", STACK_ID, "ROLLBACK_COMPLETE", parameters)
                if isinstance(expected, str):
                    self.assertIn(expected, self.trouble(tried, failed, self.options(*words)))
                    continue
                stack = tried(failed, self.options(*words))
                self.assertEqual((stack.exists, stack.parameters), (False, expected))
        # A stack that is made anew has no previous values.
        made = {"create_change_set": {"Id": "change", "StackId": STACK_ID}}
        made["describe_change_set"] = {"Status": "CREATE_COMPLETE"}
        for status, value in (("", {"ParameterValue": "128"}), ("CREATE_COMPLETE", {"UsePreviousValue": True})):
            aws = Stub(**made)
            stack = Stack("nic53", STACK_ID, status, {"Memory": "128", "Gone": "x", "Zones": "old"})
            create_change_set(aws, stack, "", {"Memory", "Zones"}, {"Zones": "new"})
            given = aws.called("create-change-set")[0]["Parameters"]
            zones = {"ParameterKey": "Zones", "ParameterValue": "new"}
            self.assertEqual(given, [zones, {"ParameterKey": "Memory", **value}])

    def test_a_stack_at_work_is_waited_for_before_anything_is_built(self):
        aws = Stub()
        with mock.patch("deploy.deployment.archive", side_effect=AssertionError):
            said = self.trouble(
                deploy, aws, IDENTITY, self.stack("UPDATE_IN_PROGRESS"), self.options("--host", "a.example.org")
            )
        self.assertIn("another deployment is running: stack nic53 is UPDATE_IN_PROGRESS; wait", said)
        self.assertEqual(aws.calls, [])

    def test_changed_settings_keep_the_code(self):
        deployed = {"CodeKey": "nic53-0123456789abcdef.zip"}
        rows = [
            (["--host", "a.example.org"], deployed, True),
            (["--drop", "home.example.org"], deployed, True),
            (["--revoke", "home.example.org"], deployed, True),
            (["--any-name"], deployed, True),
            (["--domain", ""], deployed, True),
            (["--no-plain-http"], deployed, True),
            (["--set", "Memory=256"], deployed, True),
            ([], deployed, False),
            (["--dry-run"], deployed, False),
            (["--host", "a.example.org", "--arch", "arm64"], deployed, False),
            (["--host", "a.example.org", "--archive", "nic53.zip"], deployed, False),
            (["--host", "a.example.org", "--bucket", "mine"], deployed, False),
            (["--host", "a.example.org"], {}, False),
        ]
        for words, parameters, kept in rows:
            with self.subTest(words=words, parameters=parameters):
                self.assertIs(keeps_code(self.stack(**parameters), self.options(*words)), kept)
        self.assertFalse(keeps_code(Stack("nic53", parameters=deployed), self.options("--host", "a.example.org")))

    def test_two_deployments_at_once_are_explained(self):
        busy = "An error occurred (ValidationError) when calling the CreateChangeSet operation: Stack:arn is in "
        rows = [
            (refused("ChangeSetNotFound"), True),
            (refused("InvalidChangeSetStatus"), True),
            (AwsError("command", busy + "UPDATE_IN_PROGRESS state and can not be updated."), True),
            (refused("AccessDenied"), False),
        ]
        for error, explained in rows:
            with self.subTest(error.text), self.assertRaises(Trouble if explained else AwsError) as raised:
                with alone(self.stack()):
                    raise error
            if explained:
                self.assertIn("another deployment of stack nic53 is running", str(raised.exception))

    def test_what_somebody_deployed_meanwhile_is_not_undone(self):
        described = {"StackId": STACK_ID, "StackStatus": "UPDATE_COMPLETE"}
        set_of = {"Status": "CREATE_COMPLETE", "ChangeSetName": "c", "ChangeSetId": "c", "StackId": STACK_ID, "Changes": []}
        for names, goes_on in (("home.example.org", True), ("home.example.org,two.example.org", False)):
            parameters = {"Zones": "example.org=Z1", "RecordNames": names}
            pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
            done = {"EventId": "1", "ResourceStatus": "UPDATE_COMPLETE", "LogicalResourceId": "nic53", "PhysicalResourceId": STACK_ID}
            aws = Stub(
                create_change_set={"Id": "c", "StackId": STACK_ID},
                describe_change_set=set_of,
                describe_stacks={"Stacks": [{**described, "Parameters": pairs}]},
                describe_stack_events=mock.Mock(side_effect=[{"StackEvents": []}, {"StackEvents": [done]}]),
            )
            given = (aws, self.stack(), "", {"RecordNames"}, {"RecordNames": "home.example.org,a.example.org"}, self.options())
            with self.subTest(names):
                if goes_on:
                    apply(*given)
                else:
                    self.assertIn("came in between; nothing was changed; run this again", self.trouble(apply, *given))
                self.assertEqual(len(aws.called("execute-change-set")), goes_on)
                self.assertEqual(len(aws.called("delete-change-set")), not goes_on)

    def test_a_name_is_printed_if_its_fields_are_new(self):
        one = {"RecordNames": "a.example.org,b.example.org,*.b.example.org", "Generations": ""}
        rows = [
            ({}, {}, set()),
            ({"RecordNames": one["RecordNames"] + ",c.example.org"}, {}, {"c.example.org"}),
            ({"RecordNames": "a.example.org,b.example.org"}, {}, {"b.example.org"}),
            ({"RecordNames": "b.example.org,*.b.example.org"}, {}, set()),
            ({"Generations": "a.example.org=1"}, {}, {"a.example.org"}),
            ({"Memory": "256"}, {}, set()),
            ({}, {"SecretArn": "other"}, {"a.example.org", "b.example.org"}),
            ({}, {"UpdateUrl": "other"}, {"a.example.org", "b.example.org"}),
        ]
        outputs = {"UpdateUrl": "url", "SecretArn": "arn"}
        before = Stack("nic53", STACK_ID, "CREATE_COMPLETE", one, outputs)
        for parameters, changed, expected in rows:
            with self.subTest(parameters=parameters, outputs=changed):
                after = Stack("nic53", STACK_ID, "UPDATE_COMPLETE", {**one, **parameters}, {**outputs, **changed})
                self.assertEqual(changed_names(before, after), expected)
        # The first deployment, or one that comes after a deployment that failed.
        self.assertEqual(changed_names(Stack("nic53"), before), {"a.example.org", "b.example.org"})
        self.assertEqual(changed_names(Stack("nic53", parameters=one), before), {"a.example.org", "b.example.org"})

    def test_a_name_without_a_token_of_its_own_is_explained(self):
        names = "a.example.org,b.example.org,*.b.example.org"
        parameters = {"Zones": "example.org=Z1", "RecordNames": names}
        stack = Stack("nic53", parameters=parameters)
        rows = [
            ("x.b.example.org", "x.b.example.org has no token of its own; that of b.example.org covers it"),
            ("x.a.example.org", "has no token here; those that have: a.example.org, b.example.org"),
        ]
        for name, said in rows:
            with self.subTest(name):
                self.assertIn(said, self.trouble(tokens, stack, "secret", [name]))
        self.assertEqual([token.name for token in tokens(stack, "secret")], ["a.example.org", "b.example.org"])
        # Without --host, any name has one.
        anything = Stack("nic53", parameters={**parameters, "RecordNames": ""})
        self.assertEqual([token.kind for token in tokens(anything, "secret", ["x.example.org"])], ["host"])

    def test_buckets_of_different_stacks_differ(self):
        own = [own_bucket(ACCOUNT, self.options("--stack", name)) for name in ("nic53", "Nic53", "NIC53")]
        self.assertEqual(own[0], f"nic53-code-{ACCOUNT}-us-east-1")
        self.assertEqual(len(set(own)), 3)
        for name in own:
            self.assertEqual(name, name.lower())

    def test_an_archive_is_uploaded_unless_the_same_is_there(self):
        with tempfile.NamedTemporaryFile() as file:
            path = Path(file.name)
            # The SHA-256 of nothing.
            same = {"ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
            for answer, uploads in ((same, 0), ({"ChecksumSHA256": "b3RoZXI="}, 1), ({}, 1), (refused("404"), 1)):
                aws = Stub(head_object=answer)
                upload(aws, ACCOUNT, "mine", "nic53-1.zip", path)
                self.assertEqual(len(aws.called("put-object")), uploads, answer)
            with self.assertRaises(AwsError):
                upload(Stub(head_object=refused("403")), ACCOUNT, "mine", "nic53-1.zip", path)

    def test_two_zones_of_one_name_are_listed(self):
        zones = [{"Id": f"/hostedzone/{zone_id}", "Name": "example.org."} for zone_id in ("Z1", "Z2")]
        found = self.trouble(find_zone, Stub(list_hosted_zones_by_name={"HostedZones": zones}), "example.org")
        self.assertIn("2 public zones of that name, Z1, Z2: say which, for example --zone example.org=Z1", found)
        none = self.trouble(find_zone, Stub(list_hosted_zones_by_name={"HostedZones": []}), "example.org")
        self.assertIn("no public zones named example.org", none)

    def test_an_archive_that_is_none_is_named(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "archive.zip"
            with zipfile.ZipFile(path, "w") as zipped:
                entry = zipfile.ZipInfo("bootstrap")
                entry.external_attr = 0o755 << 16
                zipped.writestr(entry, b"\x7fELF" * 100)
            whole = path.read_bytes()
            changed = whole.replace(b"\x7fELF", b"\x7fELG", 1)
            for content in (b"not a zip", b"", whole[:50], changed):
                path.write_bytes(content)
                said = self.trouble(archive, self.options("--archive", str(path)), None)
                self.assertIn(f"--archive {path}: expected a zip archive that can be read", said)

    def test_an_interrupt_says_what_goes_on(self):
        aws = Stub(describe_stack_events=mock.Mock(side_effect=[{"StackEvents": []}, KeyboardInterrupt]))
        said = self.trouble(delete_stack, aws, self.stack())
        self.assertIn("CloudFormation goes on with stack nic53 by itself", said)
        options = self.options()
        interrupted = mock.Mock(side_effect=KeyboardInterrupt)
        with mock.patch.multiple("deploy.__main__", Aws=interrupted, arguments=lambda: options):
            with self.assertRaises(SystemExit) as ended:
                main()
        self.assertEqual(ended.exception.code, "deploy: interrupted; what CloudFormation has begun, it goes on with by itself")

    def test_odd_answers_about_a_zone_are_explained(self):
        rows = [
            ("Z1", {"HostedZone": {"Name": "example.org.", "Config": {"PrivateZone": False}}}, None),
            ("/hostedzone/Z1", {"HostedZone": {"Name": "example.org."}}, None),
            ("Z1", {}, "--zone example.org=Z1: that zone is one without a name, not example.org"),
            ("Z1", {"HostedZone": {}}, "that zone is one without a name, not example.org"),
            ("Z1", {"HostedZone": {"Name": "example.com."}}, "that zone is example.com, not example.org"),
            ("Z1", {"HostedZone": {"Name": "example.org.", "Config": {"PrivateZone": True}}}, "that zone is private"),
            ("Z1", refused("NoSuchHostedZone"), "--zone example.org=Z1: An error occurred (NoSuchHostedZone)"),
            ("z1", {}, "--zone example.org=z1: the id of a hosted zone is Z, then capitals and digits"),
        ]
        for zone_id, answer, said in rows:
            with self.subTest(zone_id=zone_id, answer=answer):
                aws = Stub(get_hosted_zone=answer)
                if said:
                    self.assertIn(said, self.trouble(check_zone, aws, "example.org", zone_id))
                else:
                    self.assertEqual(check_zone(aws, "example.org", zone_id), "Z1")
        done = mock.Mock(returncode=0, stdout="<html>busy</html>")
        with mock.patch("shutil.which", return_value="aws"), mock.patch("subprocess.run", return_value=done):
            with self.assertRaisesRegex(AwsError, "answered '<html>busy</html>', and JSON was expected"):
                Aws("us-east-1")("sts get-caller-identity")

    def test_the_docs_give_the_settings_with_every_token_command(self):
        text = "".join((ROOT / "docs" / page).read_text() for page in ["deploy.md", "real-account.md"])
        commands = re.findall(r"(\S+ \S+) nic53 token", text)
        self.assertGreater(len(commands), 2)
        for settings in commands:
            self.assertRegex(settings, "^`?NIC53_ZONES=.* NIC53_SECRET_ARN=")


if __name__ == "__main__":
    unittest.main()
