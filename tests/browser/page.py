"""The page in a browser, used as a person uses it."""

import base64
import json
from dataclasses import dataclass

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from chromium import PATIENCE


@dataclass
class Note:
    """What the page says about a request: `good`, `warn` or `bad`, the headline, and what follows."""

    kind: str
    headline: str
    text: str


class Page:
    """The page at a URL."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get_log("performance")
        browser.get(url)

    def all(self, selector: str) -> list:
        """The elements of a selector."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str):
        """The first element of a selector, once there is one."""
        return self.wait(lambda: next(iter(self.all(selector)), None), selector)

    def wait(self, condition, what: str):
        """What the condition gives, once that is something."""
        wait = WebDriverWait(self.browser, PATIENCE, poll_frequency=0.05)
        return wait.until(lambda _: condition(), f"waited for {what}")

    def addresses(self) -> list[str]:
        """My addresses, as the page shows them."""
        self.one("#addresses .address, #addresses .note")
        return [element.text for element in self.all("#addresses .address")]

    def type(self, field: str, text: str) -> None:
        """Types into a field, in place of what is in it."""
        element = self.one(f"#{field}")
        element.clear()
        element.send_keys(text)

    def press(self, which: str) -> list[Note]:
        """Presses `look` or `move`, and gives what the page says then."""
        self.browser.execute_script("document.getElementById('reply').textContent = ''")
        self.one(f"#{which}").click()
        self.one("#reply .note h3")
        notes = []
        for note in self.all("#reply .note"):
            kind = note.get_attribute("class").removeprefix("note ")
            text = " ".join(element.text for element in note.find_elements(By.TAG_NAME, "p"))
            notes.append(Note(kind, note.find_element(By.TAG_NAME, "h3").text, text))
        return notes

    def ask(self, which: str, host: str, token: str) -> Note:
        """Types host and token, and presses `look` or `move`."""
        self.type("host", host)
        self.type("token", token)
        notes = self.press(which)
        assert len(notes) == 1, notes
        return notes[0]

    def choose(self, words: str) -> None:
        """Searches a router, and takes the first that is found."""
        for back in self.all("#recipe .title button"):
            back.click()
        self.type("search", words)
        self.one("#clients button").click()
        self.one("#recipe h3")

    def fields(self) -> list[tuple[str, str]]:
        """The fields of the recipe: their names and values."""
        return [
            (row.find_element(By.CLASS_NAME, "name").text, row.find_element(By.CLASS_NAME, "value").text)
            for row in self.all("#recipe .row")
        ]

    def emulate(self, width: int, height: int, scheme: str) -> None:
        """Shows it on a screen of this size, light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, first: str = "html", last: str = "html", **options) -> bytes:
        """The page from one element to another, or all of it, as a PNG."""
        clip = self.browser.execute_script(
            """
            var first = document.querySelector(arguments[0]).getBoundingClientRect();
            var last = document.querySelector(arguments[1]).getBoundingClientRect();
            var body = document.body.getBoundingClientRect();
            var top = Math.max(first.top + scrollY - 16, 0);
            return {x: body.left, y: top, width: body.width, height: last.bottom + scrollY + 16 - top, scale: 1};
            """,
            first,
            last,
        )
        # Nothing looks different because the pointer happens to be over it.
        self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": 0, "y": 0})
        options |= {"captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(self.browser.execute_cdp_cmd("Page.captureScreenshot", options)["data"])

    def console(self) -> list[str]:
        """What the browser has complained about since the page was opened."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self) -> list[str]:
        """The URLs that the browser has asked for since then."""
        urls = []
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        return [url for url in urls if not url.startswith(("data:", "about:"))]
