"""Debian's Chromium, driven by Selenium, with names of its own and no other network."""

import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys

# How long anything may take, in seconds, on a machine that has much else to do.
PATIENCE = 120

TAB, ENTER, PASTE = Keys.TAB, Keys.ENTER, Keys.CONTROL + "v"

INSTALL = "apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core"

FLAGS = (
    "--headless=new",
    # A container has no namespaces to give, and little shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # The certificate of the tests is signed by nobody, and http stays http.
    "--ignore-certificate-errors",
    "--disable-features=HttpsUpgrades",
)


# Names that end in .test are this machine; there are no others.
NAMES = "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def start(names: str = "") -> webdriver.Chrome:
    """A browser with an empty profile. Whoever starts it must `quit` it.

    `names` are rules for names that come before the usual ones, such as `MAP gw.test:443 127.0.0.1:8443`."""
    options = webdriver.ChromeOptions()
    options.binary_location = path_of("chromium")
    # What was written to the console, and every request.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--host-resolver-rules={names}{', ' * bool(names)}{NAMES}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, Service(path_of("chromedriver")))
    driver.set_page_load_timeout(PATIENCE)
    return driver


def path_of(program: str) -> str:
    """Where a program is, or how it is installed."""
    path = shutil.which(program)
    assert path, f"{program} is missing. To install: {INSTALL}"
    return path
