"""How the page looks: on a phone and on a desk, light and dark, in each state. Pictures of all of them are written into
the folder `page` of the test tools, for a person to look at."""

import json
import os
import subprocess
import unittest
from pathlib import Path

import chromium
from gateway import HOST, Gateway
from page import Page
from sites import GATEWAY, SOURCES, Sites

TOOLS = Path(os.environ["TEST_TOOLS"])
MODULES = TOOLS / "node/node_modules"
PICTURES = TOOLS / "page"
PICTURES.mkdir(parents=True, exist_ok=True)
SIZES = ((390, 844), (1024, 900))
SCHEMES = ("light", "dark")
# What a thumb can hit, in CSS pixels (WCAG 2.2, 2.5.5).
THUMB = 44


class Looks(unittest.TestCase):
    """The page over http, where it has the most to say."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.sites = Sites("http", cls.gateway)
        cls.addClassCleanup(cls.sites.stop)
        cls.browser = chromium.start()
        cls.addClassCleanup(cls.browser.quit)
        cls.axe = (MODULES / "axe-core/axe.min.js").read_text()

    def open(self, target: str = "/ui") -> Page:
        return Page(self.browser, self.sites.url(GATEWAY, target))

    def test_each_state_is_fit_for_everybody(self) -> None:
        for width, height in SIZES:
            for scheme in SCHEMES:
                page = self.open()
                page.emulate(width, height, scheme)
                for state, reach in self.states():
                    with self.subTest(state=state, width=width, scheme=scheme):
                        reach(page)
                        name = f"{state}-{width}-{scheme}"
                        (PICTURES / f"{name}.png").write_bytes(page.picture())
                        self.assert_accessible(page)
                        self.assert_fits(page, width)

    def states(self) -> list[tuple]:
        """The states by name, each reached from the one before it."""
        gateway, home = self.gateway, SOURCES[GATEWAY]

        def start(page: Page) -> None:
            page.addresses()

        def differs(page: Page) -> None:
            gateway.set("198.51.100.7")
            page.ask("look", HOST, gateway.token)

        def here(page: Page) -> None:
            gateway.set(home)
            page.press("look")

        def fields(page: Page) -> None:
            page.choose("fritz")

        def wrong(page: Page) -> None:
            page.type("token", "p76tf75ar94am7g7pcjzryjr")
            page.press("move")

        def text(page: Page) -> None:
            page.choose("ddclient")

        def limits(page: Page) -> None:
            page.type("host", f"{'a' * 40}.{'b' * 40}.example.org")
            page.choose("draytek")

        def words(page: Page) -> None:
            page.one("summary").click()

        return [(state.__name__, state) for state in (start, differs, here, fields, wrong, text, limits, words)]

    def assert_accessible(self, page: Page) -> None:
        """axe finds nothing, by all its rules."""
        page.browser.execute_script(self.axe)
        found = page.browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        self.assertGreater(len(found["passes"]), 25)
        violations = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
        self.assertEqual(violations, [])

    def assert_fits(self, page: Page, width: int) -> None:
        """Nothing is wider than the screen, and a thumb hits everything that can be pressed."""
        self.assertLessEqual(page.browser.execute_script("return document.documentElement.scrollWidth"), width)
        small = page.browser.execute_script(
            """return [].filter.call(document.querySelectorAll('button, input'), function (element) {
                var box = element.getBoundingClientRect();
                return box.height && (box.height < arguments[0] || box.width < arguments[0]);
            }.bind(null)).map(function (element) { return element.outerHTML; })""".replace("arguments[0]", str(THUMB))
        )
        self.assertEqual(small, [])

    def test_without_javascript_it_can_be_read(self) -> None:
        self.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        self.addCleanup(self.browser.execute_cdp_cmd, "Emulation.setScriptExecutionDisabled", {"value": False})
        page = self.open()
        (PICTURES / "without-javascript.png").write_bytes(page.picture())
        text = page.one("noscript").text
        for word in ("/nic/update", "Server", "Password"):
            self.assertIn(word, text)
        page.one("summary").click()
        self.assertIn("nohost", page.one("#codes").text)
        link = page.one("noscript a").get_attribute("href")
        self.assertEqual(link, self.sites.url(GATEWAY, "/ip"))

    def test_a_browser_without_fetch_shows_the_recipes(self) -> None:
        script = self.browser.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.fetch;"}
        )
        self.addCleanup(self.browser.execute_cdp_cmd, "Page.removeScriptToEvaluateOnNewDocument", script)
        page = self.open()
        self.assertFalse(page.one("#look").is_displayed() or page.one("#move").is_displayed())
        self.assertTrue(page.one("#too-old").is_displayed())
        self.assertEqual(page.one("#addresses a").text, self.sites.url(GATEWAY, "/ip"))
        page.type("host", HOST)
        page.choose("fritz")
        self.assertIn(("Domain name", HOST), page.fields())


class InTheDocumentation(unittest.TestCase):
    """What docs/page.webp and docs/page-recipe.webp are taken from: look at the new ones, then copy them there."""

    def test_its_pictures_are_small(self) -> None:
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        sites = Sites("https", gateway)
        self.addCleanup(sites.stop)
        sites.names.add("dyn.example.org")
        browser = chromium.start(f"MAP dyn.example.org:443 127.0.0.1:{sites.port}")
        self.addCleanup(browser.quit)
        gateway.set(SOURCES[GATEWAY])
        page = Page(browser, "https://dyn.example.org/ui")
        page.emulate(820, 900, "light")
        page.ask("look", HOST, gateway.token)
        self.keep("page.webp", page.picture("html", "#reply", format="webp", quality=70))
        page.emulate(430, 900, "dark")
        page.choose("fritz")
        self.keep("page-recipe.webp", page.picture("#router-title", "#recipe .block", format="webp", quality=70))

    def keep(self, name: str, picture: bytes) -> None:
        (PICTURES / name).write_bytes(picture)
        self.assertLess(len(picture), 60_000, name)


class Judged(unittest.TestCase):
    """The document and its script, by programs that know what is valid."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.html = cls.gateway.as_client("", "", "/ui")

    def test_the_script_is_es5(self) -> None:
        script = self.html.split("<script>")[1].split("</script>")[0]
        acorn = ["node", MODULES / "acorn/bin/acorn", "--ecma5", "--silent"]
        judged = subprocess.run(acorn, input=script, text=True, capture_output=True)
        self.assertEqual((judged.returncode, judged.stderr), (0, ""))
        newer = subprocess.run(acorn, input=script + "\nlet x = () => 1;", text=True, capture_output=True)
        self.assertNotEqual(newer.returncode, 0)

    def test_the_html_is_valid(self) -> None:
        vnu = ["java", "-jar", MODULES / "vnu-jar/build/dist/vnu.jar", "--format", "json", "-"]
        judged = subprocess.run(vnu, input=self.html, text=True, capture_output=True)
        self.assertEqual(json.loads(judged.stderr)["messages"], [])


if __name__ == "__main__":
    unittest.main()
