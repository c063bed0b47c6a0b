"""What whoever runs ./deploy must be allowed to do."""

from .aws import AwsError
from .bucket import own_bucket
from .trouble import Trouble


def check_permissions(aws, identity, options, parameters):
    """Ask IAM whether the caller may do all this, before anything is built or made."""
    arn = identity["Arn"]
    if arn.endswith(":root"):
        return
    try:
        if ":assumed-role/" in arn:
            arn = aws("iam get-role", RoleName=arn.split("/")[1])["Role"]["Arn"]
        missing = []
        for resource, actions in permissions(identity["Account"], options, parameters).items():
            missing += [f"{action} on {resource}" for action in refused(aws, arn, resource, actions)]
    except AwsError as error:
        print(f"Your permissions could not be checked beforehand ({error.code or error.text}); going on.")
        return
    if missing:
        raise Trouble("\n  ".join([f"{arn} lacks permissions; have them added, or use another profile:", *missing]))


def refused(aws, arn, resource, actions):
    """The actions on a resource that this caller is surely refused."""
    answers = aws("iam simulate-principal-policy", PolicySourceArn=arn, ActionNames=actions, ResourceArns=[resource])
    # What depends on a condition whose key only the real call has is not known here.
    return [
        answer["EvalActionName"]
        for answer in answers["EvaluationResults"]
        if answer["EvalDecision"] != "allowed" and not answer.get("MissingContextValues")
    ]


def permissions(account, options, parameters):
    """What whoever deploys, changes and removes a stack of these parameters must be allowed, by resource."""
    place = (options.region, account, options.stack)
    groups = [
        of_function(*place, parameters),
        of_bucket(account, options, parameters),
        of_secret(*place, parameters),
        of_front_door(*place, parameters),
    ]
    if parameters.get("Domain"):
        groups.append(of_domain(*place, parameters))
    if parameters.get("OriginSecret"):
        groups.append(of_cloudfront(account, options.stack))
    if parameters.get("AlarmEmail"):
        groups.append(of_alarms(*place))
    if parameters.get("Fleet", "off") != "off":
        groups.append(of_fleet(*place, parameters))
    needed = {}
    for resource, actions in (pair for group in groups for pair in group.items()):
        needed.setdefault(resource, []).extend(actions)
    return needed


def words(service, given):
    """Actions of a service."""
    return [f"{service}:{word}" for word in given.split()]


def function_arn(region, account, stack):
    """The Lambda function."""
    return f"arn:aws:lambda:{region}:{account}:function:{stack}"


def log_group_arn(region, account, stack):
    """The function's log."""
    return f"arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{stack}:*"


def of_function(region, account, stack, parameters):
    """The stack, the function, its role and its log."""
    needed = {
        f"arn:aws:cloudformation:{region}:{account}:stack/{stack}/*": words(
            "cloudformation",
            "CreateChangeSet DescribeChangeSet ExecuteChangeSet DeleteChangeSet DescribeStackEvents DeleteStack",
        ),
        function_arn(region, account, stack): words(
            "lambda",
            "CreateFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction "
            "AddPermission RemovePermission",
        ),
        f"arn:aws:iam::{account}:role/{stack}-Role-*": words(
            "iam", "CreateRole GetRole PutRolePolicy DeleteRolePolicy DeleteRole PassRole"
        ),
        log_group_arn(region, account, stack): words("logs", "CreateLogGroup PutRetentionPolicy DeleteLogGroup"),
    }
    if parameters.get("ReservedConcurrency"):
        needed[function_arn(region, account, stack)] += words(
            "lambda", "PutFunctionConcurrency DeleteFunctionConcurrency"
        )
    return needed


def of_bucket(account, options, parameters):
    """The bucket of the archive, made if it is our own."""
    bucket = f"arn:aws:s3:::{parameters['CodeBucket']}"
    needed = {bucket: words("s3", "ListBucket"), f"{bucket}/*": words("s3", "PutObject GetObject DeleteObject")}
    if parameters["CodeBucket"] == own_bucket(account, options):
        needed[bucket] += words("s3", "CreateBucket PutBucketPublicAccessBlock DeleteBucket")
    return needed


def of_secret(region, account, _stack, parameters):
    """A secret that is there, or the one that the stack makes."""
    if parameters.get("SecretArn"):
        return {parameters["SecretArn"]: words("secretsmanager", "GetSecretValue")}
    return {
        f"arn:aws:secretsmanager:{region}:{account}:secret:Secret-*": words(
            "secretsmanager", "CreateSecret GetSecretValue PutSecretValue DeleteSecret"
        )
    }


def of_front_door(region, account, stack, parameters):
    """A Function URL or an HTTP API."""
    if parameters.get("FrontDoor") == "FunctionUrl":
        return {
            function_arn(region, account, stack): words(
                "lambda",
                "CreateFunctionUrlConfig GetFunctionUrlConfig UpdateFunctionUrlConfig DeleteFunctionUrlConfig",
            )
        }
    return {
        f"arn:aws:apigateway:{region}::/apis": words("apigateway", "POST"),
        f"arn:aws:apigateway:{region}::/apis/*": words("apigateway", "GET POST PATCH DELETE"),
    }


def of_domain(region, account, _stack, parameters):
    """A name of one's own: its certificate, its custom domain and its records."""
    return {
        "*": words("acm", "RequestCertificate"),
        f"arn:aws:acm:{region}:{account}:certificate/*": words("acm", "DescribeCertificate DeleteCertificate"),
        f"arn:aws:apigateway:{region}::/domainnames": words("apigateway", "POST"),
        f"arn:aws:apigateway:{region}::/domainnames/*": words("apigateway", "GET POST PATCH DELETE"),
        f"arn:aws:route53:::hostedzone/{parameters.get('DomainZoneId')}": words(
            "route53", "ChangeResourceRecordSets ListResourceRecordSets"
        ),
        "arn:aws:route53:::change/*": words("route53", "GetChange"),
    }


def of_cloudfront(account, stack):
    """CloudFront in front of that name, and the function in it."""
    return {
        f"arn:aws:cloudfront::{account}:distribution/*": words(
            "cloudfront", "CreateDistribution GetDistribution UpdateDistribution DeleteDistribution"
        ),
        f"arn:aws:cloudfront::{account}:origin-request-policy/*": words(
            "cloudfront", "CreateOriginRequestPolicy GetOriginRequestPolicy DeleteOriginRequestPolicy"
        ),
        f"arn:aws:cloudfront::{account}:function/{stack}-challenge": words(
            "cloudfront", "CreateFunction DescribeFunction GetFunction PublishFunction UpdateFunction DeleteFunction"
        ),
    }


def of_alarms(region, account, stack):
    """Alarms, what they count, and who gets a mail."""
    return {
        f"arn:aws:sns:{region}:{account}:{stack}-Topic-*": words(
            "sns", "CreateTopic GetTopicAttributes Subscribe DeleteTopic"
        ),
        f"arn:aws:cloudwatch:{region}:{account}:alarm:{stack}-*": words("cloudwatch", "PutMetricAlarm DeleteAlarms"),
        log_group_arn(region, account, stack): words("logs", "PutMetricFilter DeleteMetricFilter"),
    }


def of_fleet(region, account, stack, parameters):
    """The table of fleet mode, and the publisher with its role, its log and what wakes it."""
    publisher = f"{stack}-publisher"
    counted = " PutMetricFilter DeleteMetricFilter" if parameters.get("AlarmEmail") else ""
    return {
        "*": words(
            "lambda",
            "CreateEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping "
            "GetAccountSettings",
        ),
        f"arn:aws:dynamodb:{region}:{account}:table/{stack}-Table-*": words(
            "dynamodb",
            "CreateTable DescribeTable UpdateTable DeleteTable UpdateTimeToLive DescribeTimeToLive GetItem Query "
            "UpdateItem",
        ),
        function_arn(region, account, publisher): words(
            "lambda",
            "CreateFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction AddPermission "
            "RemovePermission PutFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig PutFunctionConcurrency "
            "DeleteFunctionConcurrency",
        ),
        f"arn:aws:iam::{account}:role/{stack}-PublisherRole-*": words(
            "iam", "CreateRole GetRole PutRolePolicy DeleteRolePolicy DeleteRole PassRole"
        ),
        log_group_arn(region, account, publisher): words(
            "logs", "CreateLogGroup PutRetentionPolicy DeleteLogGroup" + counted
        ),
        f"arn:aws:events:{region}:{account}:rule/{stack}-EveryMinute-*": words(
            "events", "PutRule DescribeRule PutTargets RemoveTargets DeleteRule"
        ),
        f"arn:aws:apigateway:{region}::/account": words("apigateway", "GET"),
    }
