"""What the account allows a fleet: requests a second, and functions at once."""

from .trouble import Trouble

# All routers come back within two minutes of an outage, and a fifth of them ask twice.
HOSTS_A_REQUEST = 100
# The lowest rate and burst of the template, and the highest burst that AWS allows.
LEAST_RATE, LEAST_BURST, MOST_BURST = 1000, 2000, 5000
# What Lambda leaves to functions that reserve no concurrency.
UNRESERVED = 100


def throttle(aws, stack, hosts):
    """The parameters with which the HTTP API serves this many hosts; empty if it does so already. It is an error if the
    account's quota is too low: the API would answer 429, after which inadyn ends for good."""
    if stack.parameters.get("FrontDoor") == "FunctionUrl":
        return {}
    present = int(float(stack.parameters.get("ThrottleRate", LEAST_RATE)))
    rate = max(LEAST_RATE, -(-hosts // HOSTS_A_REQUEST))
    allowed = aws("apigateway get-account")["throttleSettings"]["rateLimit"]
    if max(rate, present) > allowed:
        raise Trouble(
            f"{hosts:,} hosts come back from an outage with {rate:,} requests a second (ThrottleRate is {present:,}), and "
            f"API Gateway allows this account {allowed:,.0f} in {aws.region}: have the quota L-8A5B8E43 of apigateway "
            "raised in Service Quotas, then run this again"
        )
    if rate <= present:
        return {}
    return {"ThrottleRate": str(rate), "ThrottleBurst": str(max(LEAST_BURST, min(MOST_BURST, rate)))}


def concurrency(aws):
    """The parameter that lets one publisher run at a time; empty if the account cannot reserve that."""
    left = aws("lambda get-account-settings")["AccountLimit"]["UnreservedConcurrentExecutions"]
    return {"PublisherConcurrency": "1" if left > UNRESERVED else ""}
