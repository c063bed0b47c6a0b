"""What the account allows a fleet: requests a second, and functions at once."""

from .trouble import Trouble

# All routers come back within two minutes of an outage, and a fifth of them ask twice.
HOSTS_A_REQUEST = 100
# What the template has at least, and the most that AWS gives a bucket.
LEAST_RATE, LEAST_BURST, MOST_BURST = 1000, 2000, 5000
# What Lambda leaves to functions that reserve no concurrency.
UNRESERVED = 100


def throttle(aws, stack, hosts):
    """The parameters by which the HTTP API lets so many hosts in at once; empty if it does so already. An error if the
    account does not allow it: whoever is refused there is answered 429, and inadyn ends for good on that."""
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
    """The parameter by which one publisher runs at a time, if the account can spare that."""
    left = aws("lambda get-account-settings")["AccountLimit"]["UnreservedConcurrentExecutions"]
    return {"PublisherConcurrency": "1" if left > UNRESERVED else ""}
