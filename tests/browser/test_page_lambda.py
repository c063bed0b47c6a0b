"""The jobs of the page in front of the Lambda function, behind an HTTP API with a stage."""

import unittest

import chromium
from function import STAGE, Function
from gateway import HOST
from page import Page
from sites import GATEWAY, SOURCES, Sites

HOME = SOURCES[GATEWAY]


class BehindAnHttpApi(unittest.TestCase):
    """Its URL has the stage in front."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.function = Function()
        cls.addClassCleanup(cls.function.stop)
        cls.sites = Sites("https", cls.function)
        cls.addClassCleanup(cls.sites.stop)
        cls.browser = chromium.start()
        cls.addClassCleanup(cls.browser.quit)

    def test_every_job_is_done(self) -> None:
        page = Page(self.browser, self.sites.url(GATEWAY, f"/{STAGE}/ui"))
        self.assertEqual(page.addresses(), [HOME])
        token = self.function.token
        self.assertEqual(page.ask("look", HOST, token).headline, f"{HOST} has no address yet")
        self.assertEqual(page.ask("move", HOST, token).headline, f"{HOST} now leads to {HOME}")
        self.assertEqual(page.ask("look", HOST, token).headline, f"{HOST} leads here")
        self.sites.source = "203.0.113.77"
        self.addCleanup(setattr, self.sites, "source", "")
        self.assertEqual(page.ask("move", HOST, token).headline, f"{HOST} now leads to 203.0.113.77")
        page.choose("fritz")
        url = dict(page.fields())["Update URL"]
        self.assertTrue(url.startswith(self.sites.url(GATEWAY, f"/{STAGE}/nic/update?")), url)
        self.assertEqual(page.console(), [])
        for asked in page.requests():
            self.assertTrue(asked.startswith(self.sites.url(GATEWAY, f"/{STAGE}/")), asked)
        self.assertNotIn(token, self.function.logged())

    def test_a_wrong_token_is_explained_without_a_prompt(self) -> None:
        page = Page(self.browser, self.sites.url(GATEWAY, f"/{STAGE}/ui"))
        note = page.ask("look", HOST, "p76tf75ar94am7g7pcjzryjr")
        self.assertEqual((note.kind, "badauth" in note.text), ("bad", True), note)

    def test_the_root_of_the_stage_is_the_page_for_a_browser(self) -> None:
        for target in (f"/{STAGE}", f"/{STAGE}/", f"/{STAGE}/ui/"):
            page = Page(self.browser, self.sites.url(GATEWAY, target))
            self.assertEqual(page.addresses(), [HOME], target)


if __name__ == "__main__":
    unittest.main()
