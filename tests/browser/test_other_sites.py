"""Whether a page of another site can move a record, once the browser knows the credentials.

A browser that was once shown `https://home.example.org:TOKEN@gateway/nic/update` adds the credentials
to later requests by itself, and an update is a GET. The rule is "Browsers" in docs/protocol.md."""

import unittest

from selenium.webdriver.common.by import By

import chromium
from gateway import HOST, Gateway
from sites import GATEWAY, Exchange, Sites

ANOTHER_SITE = "elsewhere.test"
# The holder of another host's token can have a web server there.
SIBLING = "a.gw.test"
BEFORE = "192.0.2.1"
AFTER = "198.51.100.66"
CHALLENGE = {"fqdn": f"_acme-challenge.{HOST}", "value": "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"}
NO_REFERRER = '<meta name="referrer" content="no-referrer">'


class OtherSites:
    """The pages, for each scheme."""

    scheme: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.gateway = Gateway(NIC53_ALLOW_ACME="true")
        cls.addClassCleanup(cls.gateway.stop)
        cls.sites = Sites(cls.scheme, cls.gateway)
        cls.addClassCleanup(cls.sites.stop)
        cls.browser = chromium.start()
        cls.addClassCleanup(cls.browser.quit)

    def setUp(self) -> None:
        """The browser learns the credentials, as it does when somebody tries the URL in it."""
        self.browser.get(self.sites.url(GATEWAY, update(BEFORE), f"{HOST}:{self.gateway.token}@"))
        self.assertEqual(self.gateway.address(), BEFORE)
        self.sites.exchanges.clear()
        self.sites.pages.clear()

    def test_a_url_that_is_typed_moves_the_record(self) -> None:
        self.browser.get(self.sites.url(GATEWAY, update(AFTER)))
        self.assert_moved()

    def test_a_page_of_the_same_origin_moves_the_record(self) -> None:
        self.visit(GATEWAY, self.image())
        self.assert_moved()

    def test_a_link_of_another_site_is_refused(self) -> None:
        self.visit(ANOTHER_SITE, self.link())
        self.assert_refused()

    def test_a_form_of_another_site_is_refused(self) -> None:
        self.visit(ANOTHER_SITE, self.form())
        self.assert_refused()

    def test_an_image_of_a_sibling_name_is_refused(self) -> None:
        self.visit(SIBLING, self.image())
        self.assert_refused()

    def test_a_form_of_the_same_origin_sets_a_challenge(self) -> None:
        self.visit(GATEWAY, self.challenge())
        self.assertEqual((self.posted().status, self.set_challenges()), (200, 1))
        self.gateway.as_client(HOST, self.gateway.token, "/cleanup", CHALLENGE)

    def test_a_form_of_another_site_cannot_set_a_challenge(self) -> None:
        for site in (ANOTHER_SITE, SIBLING):
            # Over plain HTTP too: a form that is posted always says that it comes from elsewhere.
            for head in ("", NO_REFERRER):
                with self.subTest(site=site, head=head):
                    self.sites.exchanges.clear()
                    before = self.set_challenges()
                    self.visit(site, head + self.challenge())
                    exchange = self.posted()
                    self.assertEqual((exchange.status, exchange.body), (403, '{"error":"badauth"}'))
                    self.assertNotIn("WWW-Authenticate", exchange.reply_headers)
                    self.assertEqual(self.set_challenges(), before)

    def visit(self, site: str, page: str) -> None:
        """Opens a page of a site, and clicks what it has to click."""
        self.sites.pages[site, "/page"] = f"<!DOCTYPE html><title>A page</title>{page}"
        self.browser.get(self.sites.url(site, "/page"))
        for element in self.browser.find_elements(By.ID, "go"):
            element.click()

    def image(self) -> str:
        return f'<img src="{self.sites.url(GATEWAY, update(AFTER))}" alt="">'

    def link(self) -> str:
        return f'<a id="go" href="{self.sites.url(GATEWAY, update(AFTER))}">More</a>'

    def form(self) -> str:
        fields = f'<input name="hostname" value="{HOST}"><input name="myip" value="{AFTER}">'
        return f'<form action="{self.sites.url(GATEWAY, "/nic/update")}">{fields}<button id="go">More</button></form>'

    def challenge(self) -> str:
        fields = "".join(f'<input name="{name}" value="{value}">' for name, value in CHALLENGE.items())
        action = self.sites.url(GATEWAY, "/present")
        return f'<form action="{action}" method="post">{fields}<button id="go">More</button></form>'

    def posted(self) -> Exchange:
        """The form that the page posted, with the credentials that the browser added."""
        return self.sites.wait_for(lambda seen: seen.target == "/present" and "Authorization" in seen.headers)

    def set_challenges(self) -> int:
        """How many challenges were set so far, by the gateway's log."""
        return self.gateway.logged().count(" present 200 good ")

    def assert_moved(self) -> None:
        """The request was answered like any other."""
        self.assertEqual(self.answered().body, f"good {AFTER}")
        self.assertEqual(self.gateway.address(), AFTER)

    def assert_refused(self) -> None:
        """The browser sent the credentials, and they did not help."""
        exchange = self.answered()
        self.assertEqual((exchange.status, exchange.body), (403, "badauth"))
        # With a challenge, any page could ask for a password in the gateway's name.
        self.assertNotIn("WWW-Authenticate", exchange.reply_headers)
        self.assertEqual(self.gateway.address(), BEFORE)

    def answered(self) -> Exchange:
        """The request that the page made, with the credentials that the browser added."""

        def is_it(exchange: Exchange) -> bool:
            return AFTER in exchange.target and "Authorization" in exchange.headers

        return self.sites.wait_for(is_it)


class OverHttps(OtherSites, unittest.TestCase):
    """The browser says in `Sec-Fetch-Site` where the request comes from."""

    scheme = "https"

    def test_a_page_cannot_hide_that_it_is_of_another_site(self) -> None:
        for site, page in [(ANOTHER_SITE, self.link()), (ANOTHER_SITE, self.form()), (SIBLING, self.image())]:
            with self.subTest(site=site, page=page):
                self.sites.exchanges.clear()
                self.visit(site, NO_REFERRER + page)
                self.assertNotIn("Referer", self.answered().headers)
                self.assert_refused()


class OverHttp(OtherSites, unittest.TestCase):
    """The browser says in `Referer` where the request comes from, unless the page forbids it."""

    scheme = "http"

    def test_a_page_that_forbids_the_referrer_moves_the_record_over_plain_http(self) -> None:
        """This stays open, as docs/security.md says: such a request looks like one that was typed."""
        for site, page in [(ANOTHER_SITE, self.link()), (SIBLING, self.image())]:
            with self.subTest(site=site, page=page):
                self.gateway.set(BEFORE)
                self.sites.exchanges.clear()
                self.visit(site, NO_REFERRER + page)
                headers = self.answered().headers
                self.assertFalse({"Referer", "Origin", "Sec-Fetch-Site"} & set(headers))
                self.assert_moved()


def update(address: str) -> str:
    """The target of an update."""
    return f"/nic/update?hostname={HOST}&myip={address}"


if __name__ == "__main__":
    unittest.main()
