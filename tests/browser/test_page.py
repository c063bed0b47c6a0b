"""The jobs of the page, over https and http, in front of `nic53 serve`."""

import unittest

from selenium.common.exceptions import TimeoutException

import chromium
from gateway import HOST, Gateway
from page import Page
from sites import GATEWAY, SOURCES, Sites

HOME = SOURCES[GATEWAY]
ELSEWHERE = "198.51.100.7"
OTHER = "nas.example.org"


class Jobs:
    """What a person does with it, for each scheme."""

    scheme: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.sites = Sites(cls.scheme, cls.gateway)
        cls.addClassCleanup(cls.sites.stop)
        cls.browser = chromium.start()
        cls.addClassCleanup(cls.browser.quit)

    def setUp(self) -> None:
        self.sites.source = ""
        self.sites.exchanges.clear()
        self.gateway.set(ELSEWHERE)
        self.token = self.gateway.token

    def open(self, target: str = "/ui") -> Page:
        return Page(self.browser, self.sites.url(GATEWAY, target))

    def assert_quiet(self, page: Page, expected: str = "") -> None:
        """Nothing was complained about but the status of a refusal, and nobody else was asked."""
        # Chromium mentions that one of the page's headers is of no use over http.
        useless = "Cross-Origin-Opener-Policy" if self.scheme == "http" else "nothing"
        complaints = [line for line in page.console() if useless not in line and (not expected or expected not in line)]
        self.assertEqual(complaints, [])
        for url in page.requests():
            self.assertTrue(url.startswith(self.sites.url(GATEWAY, "/")), url)

    def test_a_browser_that_opens_the_root_is_shown_the_page(self) -> None:
        page = self.open("/")
        self.assertEqual(page.addresses(), [HOME])
        headers = self.sites.wait_for(lambda exchange: exchange.target == "/").headers
        # Browsers say what they navigate to over https, and not over http to another machine.
        self.assertEqual("Sec-Fetch-Mode" in headers, self.scheme == "https")
        self.assert_quiet(page)

    def test_my_address_is_shown(self) -> None:
        page = self.open()
        self.assertEqual(page.addresses(), [HOME])
        self.assertIn(HOME, page.one("#move").text)
        self.assert_quiet(page)

    def test_an_address_of_my_own_network_is_told_from_the_internets(self) -> None:
        self.sites.source = "192.168.1.20"
        page = self.open()
        self.assertEqual(page.addresses(), ["192.168.1.20"])
        self.assertIn("within your own network", page.one("#addresses").text)
        note = page.ask("look", HOST, self.token)
        self.assertIn("cannot be compared", note.headline)
        note = page.ask("move", HOST, self.token)
        self.assertEqual((note.kind, "dnserr" in note.text), ("bad", True), note)

    def test_an_unknown_source_is_explained(self) -> None:
        self.sites.source = "nonsense"
        page = self.open()
        self.assertEqual(page.addresses(), [])
        self.assertIn("cannot see where you come from", page.one("#addresses").text)

    def test_looking_compares_and_changes_nothing(self) -> None:
        page = self.open()
        note = page.ask("look", HOST, self.token)
        self.assertEqual((note.kind, note.headline), ("warn", f"{HOST} leads somewhere else"))
        self.assertTrue(ELSEWHERE in note.text and HOME in note.text, note)
        self.assertEqual(self.gateway.address(), ELSEWHERE)
        self.gateway.set(HOME)
        note = page.ask("look", HOST, self.token)
        self.assertEqual((note.kind, note.headline), ("good", f"{HOST} leads here"))
        self.assert_quiet(page)

    def test_moving_points_the_host_here(self) -> None:
        page = self.open()
        note = page.ask("move", HOST, self.token)
        self.assertEqual((note.kind, note.headline), ("good", f"{HOST} now leads to {HOME}"))
        self.assertEqual(self.gateway.address(), HOME)
        note = page.ask("move", HOST, self.token)
        self.assertEqual((note.kind, note.headline), ("good", f"{HOST} leads to {HOME} already"))
        self.assert_quiet(page)

    def test_a_host_without_an_address_is_no_fault(self) -> None:
        token = self.gateway.run("token", "new.example.org")[0].strip()
        note = self.open().ask("look", "new.example.org", token)
        self.assertEqual((note.kind, note.headline), ("warn", "new.example.org has no address yet"))

    def test_several_hosts_are_answered_one_by_one(self) -> None:
        page = self.open()
        page.type("host", f"{HOST}, {OTHER}")
        page.type("token", self.token)
        notes = page.press("look")
        self.assertEqual([note.kind for note in notes], ["warn", "bad"])
        self.assertTrue(notes[0].headline.startswith(HOST) and notes[1].headline.startswith(OTHER), notes)
        self.assertIn("nohost", notes[1].text)

    def test_a_host_may_be_pasted_as_a_link(self) -> None:
        note = self.open().ask("look", f" HTTPS://{HOST.upper()}./ ", f"  {self.token} ")
        self.assertEqual(note.headline, f"{HOST} leads somewhere else")

    def test_a_host_in_my_network_is_told_by_its_beginning(self) -> None:
        self.sites.source = "2001:db8:1:2:aaaa::9"
        token = self.gateway.run("token", "six.example.org")[0].strip()
        page = self.open()
        self.assertEqual(page.addresses(), [self.sites.source])
        page.ask("move", "six.example.org", token)
        self.assertEqual(page.ask("look", "six.example.org", token).headline, "six.example.org leads here")
        self.sites.source = "2001:db8:1:2::7"
        page = self.open()
        self.assertEqual(page.ask("look", "six.example.org", token).headline, "six.example.org leads into your network")
        self.sites.source = "2001:db8:1:3::7"
        note = self.open().ask("look", "six.example.org", token)
        self.assertEqual(note.headline, "six.example.org leads somewhere else")

    def test_a_wrong_token_is_explained_without_a_prompt(self) -> None:
        page = self.open()
        # A prompt would hold up every command from here on.
        self.browser.set_script_timeout(5)
        note = page.ask("look", HOST, "p76tf75ar94am7g7pcjzryjr")
        self.assertEqual(note.kind, "bad")
        self.assertIn("token is missing or wrong", note.headline)
        self.assertIn("badauth", note.text)
        self.assertNotIn("Yours has", note.text)
        self.assertEqual(self.gateway.address(), ELSEWHERE)
        self.assertIn("Yours has 23.", page.ask("look", HOST, self.token[1:]).text)
        self.assert_quiet(page, "401")

    def test_what_is_not_the_gateways_answer_is_said_to_be_none(self) -> None:
        page = self.open()
        self.sites.pages[GATEWAY, f"/nic/update?hostname={HOST}&myip=no"] = "<html>Log in to the Wi-Fi</html>"
        self.addCleanup(self.sites.pages.clear)
        note = page.ask("look", HOST, self.token)
        self.assertEqual((note.kind, note.headline), ("bad", "Something else answered"))

    def test_what_is_missing_is_asked_for(self) -> None:
        page = self.open()
        self.assertEqual(page.press("look")[0].headline, "Type your host name first")
        page.type("host", HOST)
        self.assertEqual(page.press("look")[0].headline, "Type your token first")
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("id"), "token")
        page.type("token", "tökeñ€")
        self.assertIn("letters which no host name", page.press("look")[0].headline)

    def test_plain_http_is_warned_of(self) -> None:
        self.assertEqual(self.open().one("#plain").is_displayed(), self.scheme == "http")

    def test_a_search_finds_a_router_by_any_of_its_names(self) -> None:
        page = self.open()
        for words, title in [("fritzbox", "Fritz!Box"), ("avm", "Fritz!Box"), ("ubiquiti", "UniFi gateway"), ("fritz box", "Fritz!Box")]:
            page.type("search", words)
            titles = [choice.text.split("\n")[0] for choice in page.all("#clients button")]
            self.assertIn(title, titles, words)
        page.type("search", "a router of nobody")
        self.assertEqual(len(page.all("#clients button")), 1)
        self.assertIn("Any other router", page.one("#clients").text)

    def test_what_gets_certificates_stands_apart(self) -> None:
        page = self.open()
        entries = [entry.text for entry in page.all("#clients li")]
        heading = entries.index("For certificates, if your operator allows it")
        for name in ("certbot", "lego"):
            self.assertTrue(any(name in entry for entry in entries[heading:]), entries)
        self.assertTrue(any("Fritz!Box" in entry for entry in entries[:heading]), entries)
        self.assertFalse(any("certbot" in entry for entry in entries[:heading]), entries)
        page.choose("lego")
        self.assertEqual(page.one("#recipe .tag").text, "For certificates, if your operator allows it")
        page.choose("fritz")
        self.assertEqual(page.all("#recipe .tag"), [])

    def test_a_link_names_a_router(self) -> None:
        page = self.open("/ui#fritzbox")
        self.assertEqual(page.one("#recipe h3").text, "Fritz!Box")

    def test_a_form_of_a_fritzbox_is_filled_from_what_the_page_shows(self) -> None:
        page = self.open()
        page.type("host", "box.example.org")
        page.type("token", self.gateway.run("token", "box.example.org")[0])
        page.choose("fritz")
        shown = dict(page.fields())
        form = Page(self.browser, self.fritzbox())
        for name, field in [("Update URL", "url"), ("Domain name", "domain"), ("User name", "user"), ("Password", "password")]:
            form.type(field, shown[name])
        typed = {name: form.one(f"#{name}").get_attribute("value") for name in ("url", "domain", "user", "password")}
        # The box puts its own values in, and sends the account in a header.
        target = typed["url"].replace("<domain>", typed["domain"]).replace("<ipaddr>", "198.51.100.99")
        target = target.replace("<ip6addr>", "2001:db8:9::9").removeprefix(self.sites.url(GATEWAY, ""))
        reply = self.gateway.as_client(typed["user"], typed["password"], target)
        self.assertEqual(reply, "good 198.51.100.99,2001:db8:9::9")

    def fritzbox(self) -> str:
        """The URL of a form with the fields of a box."""
        fields = "".join(f'<p><label>{name}<input id="{name}"></label>' for name in ("url", "domain", "user", "password"))
        self.sites.pages["fritz.test", "/dyndns"] = f"<!DOCTYPE html><title>DynDNS</title><form>{fields}</form>"
        return self.sites.url("fritz.test", "/dyndns")

    def test_copying_fills_the_clipboard(self) -> None:
        page = self.open("/ui#fritzbox")
        page.type("token", self.token)
        self.browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        page.one("#recipe button[aria-label='Copy Password']").click()
        page.wait(lambda: any(button.text == "Copied" for button in page.all("#recipe button")), "the copy")
        # The search is hidden while a recipe is shown, so the host's field is where a person could paste.
        page.one("#host").send_keys(chromium.PASTE)
        self.assertEqual(page.one("#host").get_attribute("value"), self.token)

    def test_the_token_is_in_no_url_storage_history_or_log(self) -> None:
        page = self.open()
        self.browser.delete_all_cookies()
        length = self.browser.execute_script("return history.length")
        page.ask("look", HOST, self.token)
        page.ask("move", HOST, self.token)
        page.choose("fritz")
        kept = self.browser.execute_script(
            "return [location.href, document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), String(history.state)].join(' ')"
        )
        self.assertNotIn(self.token, kept)
        self.assertEqual(self.browser.execute_script("return history.length"), length)
        self.assertEqual(self.browser.get_cookies(), [])
        for exchange in self.sites.exchanges:
            self.assertNotIn(self.token, exchange.target)
            self.assertNotIn("Referer", exchange.headers)
        self.assertNotIn(self.token, self.gateway.logged())
        self.browser.refresh()
        self.assertEqual(page.one("#token").get_attribute("value"), "")

    def test_nothing_of_it_is_kept_for_the_page_of_another_site(self) -> None:
        self.open().ask("move", HOST, self.token)
        self.sites.exchanges.clear()
        target = f"/nic/update?hostname={HOST}&myip=192.0.2.66"
        page = f'<!DOCTYPE html><title>A page</title><a id="go" href="{self.sites.url(GATEWAY, target)}">More</a>'
        self.sites.pages["elsewhere.test", "/page"] = page
        Page(self.browser, self.sites.url("elsewhere.test", "/page"))
        self.browser.execute_script("setTimeout(function () { document.getElementById('go').click(); })")
        exchange = self.sites.wait_for(lambda exchange: exchange.target == target)
        self.assertNotIn("Authorization", exchange.headers)
        self.assertEqual(self.gateway.address(), HOME)
        # The challenge of that navigation is a prompt, which would hold up the next test.
        self.browser.quit()
        type(self).browser = chromium.start()

    def test_a_frame_of_another_site_shows_nothing(self) -> None:
        frame = f'<!DOCTYPE html><title>A page</title><iframe src="{self.sites.url(GATEWAY, "/ui")}"></iframe>'
        self.sites.pages["elsewhere.test", "/frame"] = frame
        page = Page(self.browser, self.sites.url("elsewhere.test", "/frame"))
        self.sites.wait_for(lambda exchange: exchange.target == "/ui")
        complaint = page.wait(lambda: [line for line in page.console() if "frame" in line.lower()], "a complaint")
        self.assertTrue(any("frame-ancestors" in line or "X-Frame-Options" in line for line in complaint), complaint)
        self.browser.switch_to.frame(page.one("iframe"))
        self.assertEqual(page.all("#host"), [])
        self.browser.switch_to.default_content()

    def test_what_is_typed_is_never_html(self) -> None:
        page = self.open("/ui#other")
        page.type("host", "<img/src=x/onerror=alert(1)>.example.org")
        page.type("token", "<script>alert(1)</script>")
        page.press("look")
        self.assertEqual(page.all("main img, #recipe script"), [])
        self.assertIn("<script>", page.one("#recipe").text)

    def test_what_is_no_host_name_is_not_filled_into_what_a_shell_runs(self) -> None:
        page = self.open("/ui#curl")
        page.type("token", self.token)
        page.type("host", f"{HOST}';reboot;'")
        self.assertIn("This is no host name", page.one("#recipe").text)
        self.assertTrue(all("reboot" not in block.text for block in page.all("#recipe .paste")))
        page.type("host", HOST)
        self.assertIn(HOST, page.one("#recipe .paste").text)

    def test_it_can_be_used_by_keyboard_alone(self) -> None:
        page = self.open()
        page.addresses()
        reached = []
        for _ in range(9):
            self.browser.switch_to.active_element.send_keys(chromium.TAB)
            reached.append(self.browser.switch_to.active_element.get_attribute("id"))
        self.assertEqual([each for each in reached if each], ["host", "token", "reveal", "look", "move", "search"])
        page.one("#search").send_keys("fritz")
        page.one("#search").send_keys(chromium.TAB)
        self.browser.switch_to.active_element.send_keys(chromium.ENTER)
        # A screen reader reads what has the focus.
        focused = self.browser.switch_to.active_element
        self.assertEqual((focused.tag_name, focused.text), ("h3", "Fritz!Box"))
        page.one("#token").send_keys("x")
        page.one("#host").send_keys(HOST, chromium.ENTER)
        page.one("#reply .bad")
        page.one("#look").send_keys(chromium.ENTER)
        page.one("#reply .bad")
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("id"), "look")


class OverHttps(Jobs, unittest.TestCase):
    """Where a browser has a clipboard, and says what it navigates to."""

    scheme = "https"


class OverHttp(Jobs, unittest.TestCase):
    """Another machine without TLS, as at home."""

    scheme = "http"


class Prompt(unittest.TestCase):
    """What a request would do that is not sent as the page's are."""

    def test_without_the_omission_of_credentials_the_browser_prompts(self) -> None:
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        browser = chromium.start()
        self.addCleanup(browser.quit)
        page = Page(browser, f"http://127.0.0.1:{gateway.port}/ui")
        page.addresses()
        browser.set_script_timeout(5)
        script = """
            var done = arguments[arguments.length - 1];
            fetch('/nic/update?hostname=home.example.org', Object.assign({headers: {Authorization: 'Basic eDp5'}}, arguments[0]))
                .then(function (response) { done(response.status); });
        """
        self.assertEqual(browser.execute_async_script(script, {"credentials": "omit"}), 401)
        with self.assertRaises(TimeoutException):
            browser.execute_async_script(script, {})


class Families(unittest.TestCase):
    """A gateway with a name for each family."""

    def test_both_addresses_are_shown_and_no_other_page_can_read_them(self) -> None:
        sites = Sites("https", None)
        self.addCleanup(sites.stop)
        sites.gateway = Gateway(NIC53_FAMILY_NAMES=f"{GATEWAY}:{sites.port}")
        self.addCleanup(sites.gateway.stop)
        browser = chromium.start()
        self.addCleanup(browser.quit)
        page = Page(browser, sites.url(GATEWAY, "/ui"))
        both = [SOURCES[f"ipv4.{GATEWAY}"], SOURCES[f"ipv6.{GATEWAY}"]]
        page.wait(lambda: page.addresses() == both, "both addresses")
        self.assertEqual(page.console(), [])
        sites.pages["elsewhere.test", "/"] = "<!DOCTYPE html><title>A page</title>"
        Page(browser, sites.url("elsewhere.test", "/"))
        script = """
            var done = arguments[arguments.length - 1];
            fetch(arguments[0]).then(function (r) { return r.text(); }).then(done, function () { done('refused'); });
        """
        url = sites.url(f"ipv4.{GATEWAY}", "/ip")
        self.assertEqual(browser.execute_async_script(script, url), "refused")


if __name__ == "__main__":
    unittest.main()
