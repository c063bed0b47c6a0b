"""Whether the gateway's challenge reaches a client that waits for it.

A 401 asks for the password by the header WWW-Authenticate. Some front doors of AWS rename that header, and then
clients that send nothing until they are asked never do. Nobody but a real deployment can tell, so each one is asked."""

import http.client
import urllib.error
import urllib.request

NAME, RENAMED = "WWW-Authenticate", "x-amzn-remapped-www-authenticate"
SECONDS = 10
AFFECTED = """\
Clients that send no password until they are asked for it do not work: a stock OpenWrt (wget, uclient-fetch), DrayTek
over https, ddupdate. All others do. For those clients, either
  - put the credentials into the address, over https only:
    {url}?hostname=HOST&username=HOST&password=TOKEN"""
SWITCH = """\
  - or run ./deploy --challenge-mapping{flags}, which has API Gateway write the header once more. That has not been
    tried on a real account: if the deployment fails, the stack stays as it was."""
OTHER_DOOR = """\
  - or run ./deploy --front-door http-api{flags}. That changes the address in every router."""
MAPPED = """\
The switch --challenge-mapping is on and does not help; ./deploy --no-challenge-mapping{flags} takes it back."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(self, *_):
        return None


def print_challenge(stack, flags):
    """Ask the deployed gateway without a password, and print what a client that waits for the challenge sees."""
    url = stack.outputs["UpdateUrl"]
    try:
        status, headers = ask(url)
    except (OSError, http.client.HTTPException) as error:
        print(f"\nThe challenge could not be checked: {url}: {getattr(error, 'reason', error)}.")
        print(f"A new name takes some minutes until everybody knows it. Then curl -si {url} should print")
        print(f'status 401 and {NAME}: Basic realm="nic53".')
        return
    print()
    print("\n".join(findings(url, status, headers, stack.parameters, flags)))


def ask(url):
    """The status and the headers of a GET without credentials."""
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, headers={"User-Agent": "nic53-deploy"}), timeout=SECONDS) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers


def findings(url, status, headers, parameters, flags):
    """What the answer means, line by line."""
    if status != 401:
        yield f"{url} answered {status} to a request without a password, and 401 was expected: see its log."
    elif NAME in headers:
        yield f"The challenge arrives as {NAME}: clients that wait for it work too."
    else:
        found = f"arrives as {RENAMED} instead of {NAME}" if RENAMED in headers else f"is missing: there is no {NAME}"
        yield f"The challenge {found}."
        yield AFFECTED.format(url=url)
        yield next_step(parameters).format(flags=flags)


def next_step(parameters):
    """What else can be done about it with these parameters."""
    if parameters.get("FrontDoor") == "FunctionUrl":
        return OTHER_DOOR
    return MAPPED if parameters.get("ChallengeMapping") == "true" else SWITCH
