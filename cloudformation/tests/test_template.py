"""What the template promises beyond being valid, and which resources each choice makes."""

import json
import re
import unittest

import yaml
from botocore.exceptions import ClientError
from cloud import ROOT, TEMPLATE, Cloud

BASE = {
    "CodeBucket": "code",
    "CodeKey": "nic53.zip",
    "Architecture": "x86_64",
    "Zones": "example.org=Z0123ABC,home.example.net=Z0456DEF",
    "ZoneIds": "Z0123ABC,Z0456DEF",
}
ALWAYS = {"Function", "Role", "Secret", "LogGroup"}
HTTP_API = {"Api", "Integration", "Route", "Stage", "ApiPermission"}
FUNCTION_URL = {"Url", "UrlPermission", "UrlInvokePermission"}
DOMAIN = {"Certificate", "DomainName", "Mapping", "Address", "AddressIpv6"}
FAMILIES = {f"{family}{part}" for family in ("Ipv4", "Ipv6") for part in ("DomainName", "Mapping", "Address")}
CLOUDFRONT = {"Distribution", "OriginRequestPolicy", "ChallengeFunction"}
ALARMS = {"Topic", "ErrorsAlarm", "ThrottlesAlarm", "RequestsAlarm"}
TABLE = {"Table"}
PUBLISHER = {"Publisher", "PublisherRole", "PublisherLogGroup"}
PUBLISHER |= {"Stream", "EveryMinute", "EveryMinutePermission", "EveryMinuteOnce"}
FLEET_ALARMS = {"PublisherErrorsAlarm", "PublisherFaultMetric", "PublisherFaultAlarm", "PendingMetric", "PendingAlarm"}
FLEET_ALARMS |= {"WaitingMetric", "WaitingAlarm", "RefusedMetric", "RefusedAlarm", "ReadThrottlesAlarm", "WriteThrottlesAlarm"}
# The states of fleet mode, in the order in which ./deploy goes through them.
STATES = {
    "off": {},
    "prepare": {"Fleet": "prepare", "FleetTable": "true"},
    "ready": {"Fleet": "on", "FleetTable": "true"},
    "on": {"Fleet": "on", "FleetTable": "true", "FleetGateway": "on"},
    "narrow": {"Fleet": "on", "FleetTable": "true", "FleetGateway": "on", "FleetNarrow": "true"},
    "draining": {"Fleet": "drain", "FleetTable": "true", "FleetGateway": "on"},
    "drain": {"Fleet": "drain", "FleetTable": "true", "FleetGateway": "drain"},
    "kept": {"FleetTable": "true"},
}
ALARMS |= {"DnserrMetric", "DnserrAlarm", "FaultMetric", "FaultAlarm"}


# What only the publisher reads, and what the gateway reads in fleet mode alone.
PUBLISHERS = {"NIC53_FLEET_PACE", "NIC53_PASS_HOURS", "NIC53_STALE_DAYS"}
FLEETS = {"NIC53_FLEET", "NIC53_FLEET_NARROW", "NIC53_TABLE"}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, `!Ref X` as {"Ref": "X"}."""


def function(loader, suffix, node):
    construct = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: lambda node: loader.construct_sequence(node, deep=True),
        yaml.MappingNode: lambda node: loader.construct_mapping(node, deep=True),
    }[type(node)]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": construct(node)}


Loader.add_multi_constructor("!", function)
template = yaml.load(TEMPLATE.read_text(), Loader)
resources = template["Resources"]


def keys_of(table):
    """The names of a table's or an index's keys."""
    return [key["AttributeName"] for key in table["KeySchema"]]


class Promises(unittest.TestCase):
    def test_it_is_plain_and_fits_a_request(self):
        self.assertNotIn("Transform", template)
        # More would have to go through a bucket.
        self.assertLess(TEMPLATE.stat().st_size, 51_200)

    def test_the_throttle_is_never_low(self):
        # Its 429 makes inadyn exit for good.
        for name, least in (("ThrottleRate", 1000), ("ThrottleBurst", 2000)):
            parameter = template["Parameters"][name]
            self.assertGreaterEqual(parameter["MinValue"], least)
            self.assertGreaterEqual(parameter["Default"], least)

    def test_the_http_api_is_dual_stack_and_takes_everything(self):
        self.assertEqual(resources["Api"]["Properties"]["IpAddressType"], "dualstack")
        self.assertEqual(resources["Integration"]["Properties"]["PayloadFormatVersion"], "2.0")
        self.assertEqual(resources["Route"]["Properties"]["RouteKey"], "$default")
        self.assertEqual(resources["Stage"]["Properties"]["StageName"], "$default")
        for name in ("DomainName", "Ipv4DomainName", "Ipv6DomainName"):
            configuration = resources[name]["Properties"]["DomainNameConfigurations"][0]
            self.assertEqual(configuration["IpAddressType"], "dualstack", name)

    def test_a_function_url_has_both_permissions(self):
        url, invoke = resources["UrlPermission"]["Properties"], resources["UrlInvokePermission"]["Properties"]
        self.assertEqual((url["Action"], url["FunctionUrlAuthType"]), ("lambda:InvokeFunctionUrl", "NONE"))
        self.assertEqual((invoke["Action"], invoke["InvokedViaFunctionUrl"]), ("lambda:InvokeFunction", True))

    def test_the_family_names_have_one_family_each(self):
        self.assertEqual(resources["Ipv4Address"]["Properties"]["Type"], "A")
        self.assertEqual(resources["Ipv6Address"]["Properties"]["Type"], "AAAA")

    def test_cloudfront_caches_nothing_not_even_errors(self):
        distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
        # AWS's CachingDisabled.
        self.assertEqual(distribution["DefaultCacheBehavior"]["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad")
        errors = {error["ErrorCode"]: error["ErrorCachingMinTTL"] for error in distribution["CustomErrorResponses"]}
        # Those that CloudFront lets one set.
        self.assertEqual(errors, dict.fromkeys([400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504], 0))

    def test_cloudfront_speaks_plain_http_and_says_who_asks(self):
        distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
        self.assertEqual(distribution["DefaultCacheBehavior"]["ViewerProtocolPolicy"], "allow-all")
        self.assertEqual(distribution["ViewerCertificate"]["MinimumProtocolVersion"], "TLSv1")
        header = distribution["Origins"][0]["OriginCustomHeaders"][0]
        self.assertEqual(header, {"HeaderName": "X-Nic53-Origin", "HeaderValue": {"Ref": "OriginSecret"}})
        policy = resources["OriginRequestPolicy"]["Properties"]["OriginRequestPolicyConfig"]
        self.assertEqual(policy["HeadersConfig"]["HeaderBehavior"], "allViewerAndWhitelistCloudFront")
        self.assertEqual(policy["HeadersConfig"]["Headers"], ["CloudFront-Viewer-Address"])
        self.assertEqual(policy["QueryStringsConfig"], {"QueryStringBehavior": "all"})

    def test_the_challenge_is_mapped_on_401_alone_and_only_if_asked_for(self):
        self.assertEqual(template["Parameters"]["ChallengeMapping"]["Default"], "false")
        condition, mapped, otherwise = resources["Integration"]["Properties"]["ResponseParameters"]["Fn::If"]
        self.assertEqual((condition, otherwise), ("Mapped", {"Ref": "AWS::NoValue"}))
        header = {"Destination": "overwrite:header.WWW-Authenticate", "Source": 'Basic realm="nic53"'}
        self.assertEqual(mapped, {"401": {"ResponseParameters": [header]}})

    def test_cloudfront_challenges_before_the_request_goes_on(self):
        distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
        function = {"Fn::GetAtt": "ChallengeFunction.FunctionARN"}
        associations = distribution["DefaultCacheBehavior"]["FunctionAssociations"]
        self.assertEqual(associations, [{"EventType": "viewer-request", "FunctionARN": function}])
        # What is not published is not run.
        self.assertIs(resources["ChallengeFunction"]["Properties"]["AutoPublish"], True)

    def test_a_flood_is_reported(self):
        alarm = resources["RequestsAlarm"]["Properties"]
        self.assertEqual((alarm["MetricName"], alarm["Statistic"], alarm["Period"]), ("Invocations", "Sum", 3600))
        self.assertEqual(alarm["Threshold"], {"Ref": "AlarmRequests"})
        # 1,000 routers that ask every five minutes are no flood.
        self.assertGreater(template["Parameters"]["AlarmRequests"]["Default"], 12_000)

    def test_every_setting_of_the_gateway_is_a_parameter(self):
        variables = resources["Function"]["Properties"]["Environment"]["Variables"]
        sources = [ROOT / "src" / "settings.rs", *(ROOT / "src" / "settings").glob("*.rs")]
        read = {name for path in sources for name in re.findall(r'"(NIC53_[A-Z_]*[A-Z])"', path.read_text())}
        # Of the server, of the publisher, or another source of the secret.
        elsewhere = {"NIC53_STORE", "NIC53_DATA", "NIC53_HTTP", "NIC53_DNS"} | PUBLISHERS
        elsewhere |= {name for name in read if name.startswith("NIC53_SECRET") and name != "NIC53_SECRET_ARN"}
        self.assertEqual(read - elsewhere - set(variables), set())
        self.assertEqual(set(variables) - read, set())

    def test_the_publisher_has_its_settings_and_no_secret(self):
        variables = resources["Publisher"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(set(variables), {"NIC53_ZONES", "NIC53_TABLE", "NIC53_FLEET", "NIC53_LOG"} | PUBLISHERS)
        self.assertEqual(resources["Publisher"]["Properties"]["Handler"], "publisher")
        self.assertEqual(resources["Publisher"]["Properties"]["Code"], resources["Function"]["Properties"]["Code"])
        # Whatever LogLevel is: an alarm waits for a line a minute.
        self.assertEqual(variables["NIC53_LOG"], "info")

    def test_without_fleet_mode_the_function_is_what_it_was(self):
        variables = resources["Function"]["Properties"]["Environment"]["Variables"]
        added = {name: value for name, value in variables.items() if name in FLEETS}
        self.assertEqual(set(added), FLEETS)
        for name, value in added.items():
            condition, _, otherwise = value["Fn::If"]
            self.assertEqual((condition, otherwise), ("AsksTable", {"Ref": "AWS::NoValue"}), name)

    def test_the_table_is_as_the_gateway_and_the_publisher_know_it(self):
        table = resources["Table"]
        self.assertEqual((table["DeletionPolicy"], table["UpdateReplacePolicy"]), ("RetainExceptOnCreate", "Retain"))
        table = table["Properties"]
        # With a name of its own it could not be replaced.
        self.assertNotIn("TableName", table)
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(keys_of(table), ["z", "n"])
        (index,) = table["LocalSecondaryIndexes"]
        self.assertEqual((index["IndexName"], keys_of(index)), ("pending", ["z", "d"]))
        self.assertEqual(index["Projection"], {"ProjectionType": "KEYS_ONLY"})
        self.assertEqual(table["StreamSpecification"], {"StreamViewType": "NEW_IMAGE"})
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "x", "Enabled": True})
        attributes = (ROOT / "src" / "table" / "attribute.rs").read_text()
        for name, meaning in (("d", "Due"), ("x", "Expires")):
            self.assertIn(f'Self::{meaning} => "{name}"', attributes)

    def test_what_wakes_the_publisher_is_only_a_bell(self):
        stream, rule = resources["Stream"]["Properties"], resources["EveryMinute"]["Properties"]
        self.assertEqual((stream["BatchSize"], stream["MaximumBatchingWindowInSeconds"]), (500, 1))
        self.assertEqual((stream["MaximumRetryAttempts"], stream["MaximumRecordAgeInSeconds"]), (0, 60))
        self.assertEqual(stream["StartingPosition"], "LATEST")
        (only,) = stream["FilterCriteria"]["Filters"]
        self.assertEqual(json.loads(only["Pattern"]), {"dynamodb": {"NewImage": {"d": {"N": [{"exists": True}]}}}})
        self.assertEqual(rule["ScheduleExpression"], "rate(1 minute)")
        once = resources["EveryMinuteOnce"]["Properties"]
        self.assertEqual((once["MaximumRetryAttempts"], once["MaximumEventAgeInSeconds"]), (0, 60))

    def test_a_silent_publisher_is_reported(self):
        alarm = resources["PendingAlarm"]["Properties"]
        self.assertEqual((alarm["TreatMissingData"], alarm["Threshold"], alarm["Statistic"]), ("breaching", 600, "Maximum"))

    def test_the_alarms_match_the_words_of_the_log(self):
        self.assertEqual(resources["DnserrMetric"]["Properties"]["FilterPattern"], '{ $.codes[*] = "dnserr" }')
        self.assertIn('$.codes[*] = "911"', resources["FaultMetric"]["Properties"]["FilterPattern"])

    def test_every_skipped_check_has_a_reason(self):
        for name, resource in resources.items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                self.assertGreater(len(skip.get("comment", "")), 10, f"{name} {skip['id']}")


class Choices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = cls.enterClassContext(Cloud())
        s3 = cls.cloud.client("s3")
        s3.create_bucket(Bucket=BASE["CodeBucket"])
        s3.put_object(Bucket=BASE["CodeBucket"], Key=BASE["CodeKey"], Body=b"")
        cls.cloudformation = cls.cloud.client("cloudformation")
        cls.domain = {"Domain": "ddns.example.org", "DomainZoneId": cls.cloud.hosted_zone("example.org")}

    def resources_of(self, **parameters):
        """The logical ids of a stack with these parameters."""
        name = re.sub(r"[\W_]", "-", self.id())
        self.cloudformation.create_stack(
            StackName=name,
            TemplateBody=TEMPLATE.read_text(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in {**BASE, **parameters}.items()],
        )
        waiter = self.cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
        made = self.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        self.cloudformation.delete_stack(StackName=name)
        return {resource["LogicalResourceId"] for resource in made}

    def test_the_default_is_an_http_api(self):
        self.assertEqual(self.resources_of(), ALWAYS | HTTP_API)

    def test_a_function_url_replaces_it(self):
        self.assertEqual(self.resources_of(FrontDoor="FunctionUrl"), ALWAYS | FUNCTION_URL)

    def test_a_mapped_challenge_adds_no_resource(self):
        self.assertEqual(self.resources_of(ChallengeMapping="true"), ALWAYS | HTTP_API)

    def test_a_kept_secret_replaces_a_new_one(self):
        arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:kept-abcdef"
        self.assertEqual(self.resources_of(SecretArn=arn), ALWAYS - {"Secret"} | HTTP_API)

    def test_a_domain(self):
        self.assertEqual(self.resources_of(**self.domain), ALWAYS | HTTP_API | DOMAIN)

    def test_a_domain_with_family_names(self):
        made = self.resources_of(**self.domain, FamilyNames="true")
        self.assertEqual(made, ALWAYS | HTTP_API | DOMAIN | FAMILIES)

    def test_a_domain_behind_cloudfront(self):
        made = self.resources_of(**self.domain, OriginSecret="s" * 32)
        self.assertEqual(made, ALWAYS | HTTP_API | DOMAIN | CLOUDFRONT)

    def test_alarms(self):
        self.assertEqual(self.resources_of(AlarmEmail="me@example.org"), ALWAYS | HTTP_API | ALARMS)

    def test_each_state_of_fleet_mode(self):
        for name, parameters in STATES.items():
            with self.subTest(name):
                publishing = parameters.get("Fleet", "off") != "off"
                expected = ALWAYS | HTTP_API | (TABLE if parameters else set()) | (PUBLISHER if publishing else set())
                self.assertEqual(self.resources_of(**parameters), expected)

    def test_alarms_of_fleet_mode(self):
        made = self.resources_of(**STATES["narrow"], AlarmEmail="me@example.org", PublisherConcurrency="1")
        self.assertEqual(made, ALWAYS | HTTP_API | TABLE | PUBLISHER | ALARMS | FLEET_ALARMS)
        # Without a publisher nobody waits for its lines.
        made = self.resources_of(**STATES["kept"], AlarmEmail="me@example.org")
        self.assertEqual(made, ALWAYS | HTTP_API | TABLE | ALARMS)

    def test_what_makes_no_sense_together_is_refused(self):
        for parameters in (
            {"Fleet": "prepare"},
            {"Fleet": "On", "FleetTable": "true"},
            {"FleetGateway": "on"},
            {"FleetGateway": "on", "FleetTable": "true"},
            {**STATES["prepare"], "FleetGateway": "on"},
            {**STATES["on"], "FleetGateway": "drain"},
            {"FleetNarrow": "true"},
            {**STATES["prepare"], "FleetNarrow": "true"},
            {**STATES["ready"], "FleetNarrow": "true"},
            {**STATES["draining"], "FleetNarrow": "true"},
            {**STATES["drain"], "FleetNarrow": "true"},
            {"StaleDays": "34"},
            {"StaleDays": "1"},
            {"PassHours": "0"},
            {"FleetPace": "0"},
            {"PublisherConcurrency": "2"},
            {"Domain": "ddns.example.org"},
            {**self.domain, "FrontDoor": "FunctionUrl"},
            {"FamilyNames": "true"},
            {"ChallengeMapping": "true", "FrontDoor": "FunctionUrl"},
            {"AllowAcme": "true"},
            {"ChallengeNames": "home.example.org"},
            {"ChallengeNames": "_acme-challenge.home.example.org,"},
            {**self.domain, "OriginSecret": "s" * 32, "AllowAcme": "true", "ChallengeNames": "_acme-challenge.*"},
            {"AlarmRequests": "0"},
            {"OriginSecret": "s" * 32},
            {**self.domain, "OriginSecret": "s" * 32, "FamilyNames": "true"},
            {**self.domain, "OriginSecret": "short"},
            {"ThrottleRate": "10"},
            {"RecordNames": "Home.example.org"},
            {"RecordNames": "home.example.org."},
            {"RecordNames": "home.example.org,"},
            {"RecordNames": "*"},
            {"LogLevel": "debug"},
        ):
            with self.subTest(parameters), self.assertRaises(ClientError):
                self.resources_of(**parameters)


if __name__ == "__main__":
    unittest.main()
