"""The role's policy against a table of calls that must pass and must not.

The template is deployed, the policy read back from the role, and each call judged by ministack's IAM evaluator."""

import unittest

from cloud import TEMPLATE, Cloud
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document
from test_template import BASE, STATES

ZONE, OTHER_ZONE, FOREIGN_ZONE = "Z0123ABC", "Z0456DEF", "Z0FOREIGN"
NAMES = "home.example.org,dyn.example.org,*.dyn.example.org,\\052.wild.example.org"
LOG = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/nic53:log-stream:x"
PUBLISHER_LOG = LOG.replace("nic53", "nic53-publisher")


def zone(zone_id):
    return f"arn:aws:route53:::hostedzone/{zone_id}"


def change(*names, types=("A",), actions=("UPSERT",), at=ZONE):
    """A ChangeResourceRecordSets and the context keys Route 53 gives for it."""
    keys = {"NormalizedRecordNames": list(names), "RecordTypes": list(types), "Actions": list(actions)}
    keys = {f"route53:ChangeResourceRecordSets{key}".lower(): values for key, values in keys.items()}
    return "route53:ChangeResourceRecordSets", zone(at), keys


def without(call, key):
    """The same call without one of its keys."""
    action, resource, keys = call
    gone = f"route53:ChangeResourceRecordSets{key}".lower()
    return action, resource, {name: values for name, values in keys.items() if name != gone}


def call(action, resource):
    return action, resource, {}


HOME = change("home.example.org")
ACTIONS = ("CREATE", "UPSERT", "DELETE")
KEYS = ("NormalizedRecordNames", "RecordTypes", "Actions")

# Hosts home and *.wild, subtree dyn; no offline.
NAMED = [
    (True, HOME),
    (True, change("home.example.org", types=("AAAA",))),
    (True, change("home.example.org", types=("A", "AAAA"))),
    (True, change("home.example.org", at=OTHER_ZONE)),
    (True, change("dyn.example.org")),
    (True, change("a.dyn.example.org")),
    (True, change("a.b.dyn.example.org")),
    (True, change("\\052.dyn.example.org")),
    (True, change("\\052.wild.example.org")),
    (True, change("home.example.org", "a.dyn.example.org", types=("A", "AAAA"))),
    (True, call("route53:ListResourceRecordSets", zone(ZONE))),
    (True, call("route53:ListResourceRecordSets", zone(OTHER_ZONE))),
    (True, call("logs:CreateLogStream", LOG)),
    (True, call("logs:PutLogEvents", LOG)),
    (False, change("www.example.org")),
    (False, change("example.org")),
    (False, change("a.home.example.org")),
    (False, change("nothome.example.org")),
    (False, change("notdyn.example.org")),
    (False, change("wild.example.org")),
    (False, change("a.wild.example.org")),
    # One name that is not listed refuses the batch.
    (False, change("home.example.org", "www.example.org")),
    (False, change("home.example.org", types=("TXT",))),
    (False, change("home.example.org", types=("A", "CNAME"))),
    (False, change("home.example.org", types=("MX",))),
    (False, change("home.example.org", types=("NS",))),
    (False, change("home.example.org", actions=("DELETE",))),
    (False, change("home.example.org", actions=("CREATE",))),
    (False, change("home.example.org", actions=("UPSERT", "DELETE"))),
    (False, change("home.example.org", at=FOREIGN_ZONE)),
    # ForAllValues is true of what is not there.
    (False, without(HOME, "NormalizedRecordNames")),
    (False, without(HOME, "RecordTypes")),
    (False, without(HOME, "Actions")),
    (False, call("route53:ChangeResourceRecordSets", zone(ZONE))),
    (False, call("route53:ListResourceRecordSets", zone(FOREIGN_ZONE))),
    (False, call("route53:ListHostedZones", "*")),
    (False, call("route53:GetHostedZone", zone(ZONE))),
    (False, call("route53:DeleteHostedZone", zone(ZONE))),
    (False, call("route53:ChangeTagsForResource", zone(ZONE))),
    (False, call("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:000000000000:secret:other-abcdef")),
    (False, call("logs:CreateLogGroup", LOG)),
    (False, call("logs:PutLogEvents", LOG.replace("nic53", "other"))),
    (False, call("s3:GetObject", "arn:aws:s3:::code/nic53.zip")),
    (False, call("iam:PassRole", "arn:aws:iam::000000000000:role/any")),
]

# No names: all of the zones, and still addresses only.
UNNAMED = [
    (True, change("www.example.org")),
    (True, change("www.example.org", "home.example.org", types=("A", "AAAA"))),
    (False, change("www.example.org", types=("TXT",))),
    (False, change("www.example.org", actions=("DELETE",))),
    (False, change("www.example.org", at=FOREIGN_ZONE)),
    (False, without(HOME, "NormalizedRecordNames")),
]

# Offline: addresses may be deleted too, of the same names.
OFFLINE = [
    (True, HOME),
    (True, change("home.example.org", actions=("DELETE",), types=("A", "AAAA"))),
    (True, change("home.example.org", actions=("UPSERT", "DELETE"), types=("A", "AAAA"))),
    (False, change("www.example.org", actions=("DELETE",))),
    (False, change("home.example.org", actions=("DELETE",), types=("MX",))),
    (False, change("home.example.org", actions=("CREATE",))),
]

CHALLENGES = "_acme-challenge.home.example.org,_acme-challenge.dyn.example.org,_acme-challenge.*.dyn.example.org"
TXT = {"types": ("TXT",), "actions": ("DELETE", "CREATE")}
TXT_HOME = change("_acme-challenge.home.example.org", **TXT)

# Challenges of the same names, beside the addresses.
ACME = [
    *NAMED,
    (True, change("_acme-challenge.home.example.org", types=("TXT",), actions=("CREATE",))),
    (True, change("_acme-challenge.home.example.org", types=("TXT",), actions=("DELETE",))),
    (True, TXT_HOME),
    (True, change("_acme-challenge.dyn.example.org", **TXT)),
    (True, change("_acme-challenge.a.dyn.example.org", **TXT)),
    (True, change("_acme-challenge.a.b.dyn.example.org", **TXT)),
    (False, change("_acme-challenge.home.example.org", types=("TXT",), actions=("UPSERT",))),
    (False, change("home.example.org", **TXT)),
    (False, change("_dmarc.home.example.org", **TXT)),
    (False, change("a.dyn.example.org", **TXT)),
    (False, change("_acme-challenge.home.example.org", "home.example.org", types=("TXT", "A"), actions=("CREATE", "UPSERT"))),
    (False, change("_acme-challenge.home.example.org", types=("A",))),
    (False, change("_acme-challenge.home.example.org", types=("CNAME",), actions=("CREATE",))),
    (False, change("_acme-challenge.www.example.org", **TXT)),
    (False, change("_acme-challenge.a.home.example.org", **TXT)),
    (False, change("_acme-challenge.home.example.org", at=FOREIGN_ZONE, **TXT)),
    (False, without(TXT_HOME, "NormalizedRecordNames")),
    (False, without(TXT_HOME, "RecordTypes")),
    (False, without(TXT_HOME, "Actions")),
]

# No names: the challenges of all names, and no other TXT.
UNNAMED_ACME = [
    (True, change("_acme-challenge.www.example.org", **TXT)),
    (False, change("www.example.org", **TXT)),
    (False, change("x._acme-challenge.www.example.org", **TXT)),
]


def table(action, *keys, part=""):
    """A call to the table of fleet mode, or to a part of it, and the context keys DynamoDB gives for it."""
    return f"dynamodb:{action}", f"TABLE{part}", {"dynamodb:leadingkeys": list(keys)} if keys else {}


# Route 53 holds what every state lets the gateway change, until it is narrowed.
WIDE = [
    (True, HOME),
    (True, change("home.example.org", "a.dyn.example.org", types=("A", "AAAA"))),
    (True, call("route53:ListResourceRecordSets", zone(ZONE))),
    (False, change("www.example.org")),
    (False, change("home.example.org", actions=("CREATE",))),
    (False, change("home.example.org", types=("TXT",))),
]
# What faces the internet can change no address, whatever becomes of it.
NARROWED = [
    (False, HOME),
    *((False, change("home.example.org", types=(kind,), actions=(action,))) for kind in ("A", "AAAA") for action in ACTIONS),
    (False, without(HOME, "NormalizedRecordNames")),
    (False, call("route53:ChangeResourceRecordSets", zone(ZONE))),
    (True, call("route53:ListResourceRecordSets", zone(ZONE))),
]
# The gateway's part of the table: the items of its zones, one by one.
PROMISES = [
    (True, table("BatchGetItem", ZONE)),
    (True, table("BatchGetItem", ZONE, OTHER_ZONE)),
    (True, table("UpdateItem", ZONE)),
    (False, table("UpdateItem", FOREIGN_ZONE)),
    (False, table("BatchGetItem", ZONE, FOREIGN_ZONE)),
    # ForAllValues is true of what is not there.
    (False, table("BatchGetItem")),
    (False, table("UpdateItem")),
    *((False, table(action, ZONE)) for action in ("GetItem", "PutItem", "DeleteItem", "Query", "Scan", "BatchWriteItem")),
    *((False, table(action, ZONE, part="/index/pending")) for action in ("Query", "Scan")),
    *((False, table(action, part="/stream")) for action in ("GetRecords", "GetShardIterator", "DescribeStream")),
    *((False, table(action)) for action in ("DeleteTable", "UpdateTable", "UpdateTimeToLive", "CreateBackup")),
]
NO_TABLE = [(False, table(action, ZONE)) for action in ("BatchGetItem", "UpdateItem", "Query")]
# The publisher's.
PUBLISHED = [
    (True, table("BatchGetItem", ZONE)),
    (True, table("Query", ZONE)),
    (True, table("UpdateItem", ZONE)),
    (True, table("Query", ZONE, part="/index/pending")),
    *((True, table(action, part="/stream")) for action in ("GetRecords", "GetShardIterator", "DescribeStream")),
    (True, call("dynamodb:ListStreams", "*")),
    (True, call("logs:CreateLogStream", PUBLISHER_LOG)),
    (True, call("logs:PutLogEvents", PUBLISHER_LOG)),
    (False, call("logs:PutLogEvents", LOG)),
    *((False, table(action, ZONE)) for action in ("GetItem", "PutItem", "DeleteItem", "Scan", "BatchWriteItem")),
    (False, table("Scan", ZONE, part="/index/pending")),
    (False, call("dynamodb:Query", "arn:aws:dynamodb:us-east-1:000000000000:table/other")),
    (False, call("dynamodb:UpdateItem", "arn:aws:dynamodb:us-east-1:000000000000:table/other")),
    (True, call("route53:ListResourceRecordSets", zone(ZONE))),
    (False, call("route53:ListResourceRecordSets", zone(FOREIGN_ZONE))),
    (True, change("home.example.org", actions=("CREATE",))),
    (True, change("home.example.org", actions=("DELETE",), types=("AAAA",))),
    (True, change("home.example.org", "a.dyn.example.org", actions=("CREATE", "DELETE"), types=("A", "AAAA"))),
    # It would overwrite an alias.
    (False, change("home.example.org", actions=("UPSERT",))),
    (False, change("home.example.org", actions=("CREATE", "UPSERT"))),
    (False, change("www.example.org", actions=("CREATE",))),
    (False, change("home.example.org", "www.example.org", actions=("CREATE",))),
    (False, change("home.example.org", actions=("CREATE",), types=("TXT",))),
    (False, change("home.example.org", actions=("DELETE",), types=("A", "CNAME"))),
    (False, change("home.example.org", actions=("CREATE",), at=FOREIGN_ZONE)),
    *((False, without(change("home.example.org", actions=("CREATE",)), key)) for key in KEYS),
    (False, call("secretsmanager:GetSecretValue", "SECRET")),
    (False, call("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:nic53")),
]

KEPT = "arn:aws:secretsmanager:us-east-1:000000000000:secret:kept-abcdef"
SECRET = [
    (True, call("secretsmanager:GetSecretValue", KEPT)),
    (False, call("secretsmanager:PutSecretValue", KEPT)),
    (False, call("secretsmanager:GetSecretValue", KEPT + "x")),
]


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = cls.enterClassContext(Cloud())
        s3 = cls.cloud.client("s3")
        s3.create_bucket(Bucket=BASE["CodeBucket"])
        s3.put_object(Bucket=BASE["CodeBucket"], Key=BASE["CodeKey"], Body=b"")

    def policy(self, **parameters):
        """The policy of the gateway's role deployed with these parameters."""
        return self.policies(**parameters)["Role"]

    def policies(self, **parameters):
        """The policies of the roles deployed with these parameters, by the roles' names in the template."""
        cloudformation, iam = self.cloud.client("cloudformation"), self.cloud.client("iam")
        cloudformation.create_stack(
            StackName="nic53",
            TemplateBody=TEMPLATE.read_text(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in {**BASE, **parameters}.items()],
        )
        quick = {"Delay": 0.2, "MaxAttempts": 300}
        cloudformation.get_waiter("stack_create_complete").wait(StackName="nic53", WaiterConfig=quick)
        made = cloudformation.describe_stack_resources(StackName="nic53")["StackResources"]
        self.made = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}
        documents = {}
        for name in [name for name in self.made if name.endswith("Role")]:
            role = self.made[name]
            self.assertEqual(iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], [])
            names = iam.list_role_policies(RoleName=role)["PolicyNames"]
            self.assertEqual(len(names), 1)
            documents[name] = iam.get_role_policy(RoleName=role, PolicyName=names[0])["PolicyDocument"]
        self.stream = self.stream_of(self.made.get("Table"))
        cloudformation.delete_stack(StackName="nic53")
        cloudformation.get_waiter("stack_delete_complete").wait(StackName="nic53", WaiterConfig=quick)
        if table := self.made.get("Table"):
            # It stays when the stack goes.
            self.cloud.client("dynamodb").delete_table(TableName=table)
        return documents

    def stream_of(self, table):
        """The ARN of a table's stream."""
        if not table:
            return ""
        return self.cloud.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]

    def arn(self, resource):
        """The ARN of what a row of a table means by TABLE, its stream, or SECRET."""
        of_table = f"arn:aws:dynamodb:us-east-1:000000000000:table/{self.made.get('Table')}"
        resource = resource.replace("TABLE/stream", self.stream)
        return resource.replace("TABLE", of_table).replace("SECRET", self.made.get("Secret", ""))

    def judge(self, policy, table):
        statements = parse_policy_document(policy)
        self.assertEqual(len(statements), len(policy["Statement"]))
        for passes, (action, resource, keys) in table:
            context = EvalContext(
                principal_arn="arn:aws:sts::000000000000:assumed-role/nic53/nic53",
                principal_type="AssumedRole",
                principal_account="000000000000",
                action=action,
                resource_arn=self.arn(resource),
                region="us-east-1",
                service_context=keys,
            )
            with self.subTest(action=action, resource=resource, keys=keys):
                self.assertEqual(evaluate(context, [statements]).decision == "Allow", passes)

    def test_the_names_given_and_no_other(self):
        self.judge(self.policy(RecordNames=NAMES), NAMED)

    def test_without_names_every_address_of_the_zones(self):
        self.judge(self.policy(), UNNAMED)

    def test_offline_allows_delete(self):
        self.judge(self.policy(RecordNames=NAMES, AllowOffline="true"), OFFLINE)

    def test_challenges_of_the_names_given(self):
        self.judge(self.policy(RecordNames=NAMES, AllowAcme="true", ChallengeNames=CHALLENGES), ACME)

    def test_challenges_of_every_name(self):
        self.judge(self.policy(AllowAcme="true", ChallengeNames="_acme-challenge.*"), [*UNNAMED, *UNNAMED_ACME])

    def test_its_own_secret_alone(self):
        self.judge(self.policy(SecretArn=KEPT), SECRET)

    def test_each_state_of_fleet_mode(self):
        publishing = {"prepare", "ready", "on", "narrow", "draining", "drain"}
        for name, parameters in STATES.items():
            with self.subTest(name):
                policies = self.policies(RecordNames=NAMES, **parameters)
                self.assertEqual("PublisherRole" in policies, name in publishing)
                self.judge(policies["Role"], NARROWED if name == "narrow" else WIDE)
                self.judge(policies["Role"], PROMISES if name in publishing else NO_TABLE)
                # The same in every state: nothing of the publisher's, and its own secret and log.
                self.judge(policies["Role"], [(True, call("secretsmanager:GetSecretValue", "SECRET"))])
                self.judge(policies["Role"], [(False, call("logs:PutLogEvents", PUBLISHER_LOG))])
                if name in publishing:
                    self.judge(policies["PublisherRole"], PUBLISHED)

    def test_narrow_the_gateway_keeps_its_challenges_and_nothing_else(self):
        policy = self.policies(RecordNames=NAMES, AllowAcme="true", ChallengeNames=CHALLENGES, **STATES["narrow"])["Role"]
        self.judge(policy, NARROWED)
        self.judge(policy, [row for row in ACME if row not in NAMED])

    def test_off_and_kept_have_the_policy_of_before_fleet_mode(self):
        off, kept = (self.policy(RecordNames=NAMES, **STATES[name]) for name in ("off", "kept"))
        self.assertEqual([s["Sid"] for s in off["Statement"]], ["ReadRecords", "ChangeAddresses", "ReadSecret", "WriteLog"])
        self.assertEqual([s["Sid"] for s in kept["Statement"]], [s["Sid"] for s in off["Statement"]])

    def test_without_names_the_publisher_may_change_every_address(self):
        policy = self.policies(**STATES["narrow"])["PublisherRole"]
        self.judge(policy, [(True, change("www.example.org", actions=("CREATE",)))])
        self.judge(policy, [(False, change("www.example.org", actions=("CREATE",), types=("MX",)))])
        self.judge(policy, [(False, change("www.example.org", actions=("CREATE",), at=FOREIGN_ZONE))])

    def test_the_publisher_has_no_action_more(self):
        statements = parse_policy_document(self.policies(**STATES["on"])["PublisherRole"])
        self.assertEqual(
            {action for statement in statements for action in statement.actions},
            {
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "route53:ChangeResourceRecordSets",
                "route53:ListResourceRecordSets",
            },
        )

    def test_no_action_more(self):
        statements = parse_policy_document(self.policy())
        self.assertEqual(
            sorted(action for statement in statements for action in statement.actions),
            [
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "route53:ChangeResourceRecordSets",
                "route53:ListResourceRecordSets",
                "secretsmanager:GetSecretValue",
            ],
        )

    def test_one_statement_holds_hosts_and_subtrees(self):
        # Two would refuse a batch that mixes them.
        changing = [s for s in self.policy(RecordNames=NAMES)["Statement"] if "Change" in str(s["Action"])]
        self.assertEqual(len(changing), 1)
        like = changing[0]["Condition"]["ForAllValues:StringLike"]
        self.assertEqual(like, {"route53:ChangeResourceRecordSetsNormalizedRecordNames": NAMES.split(",")})


if __name__ == "__main__":
    unittest.main()
