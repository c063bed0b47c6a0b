"""The page says what `nic53 setup` says: for every recipe, in every form of the gateway's URL, for one host and two."""

import subprocess
import unittest

import chromium
from gateway import HOST, Gateway
from page import Page
from sites import Sites

HOSTS = (HOST, "nas.example.org")
# A name that is too long for every field, and two that have every kind of character. Some clients refuse the star.
ODD = (f"{'a' * 60}.{'b' * 60}.example.org", "*.example.org", "_z-1.zz--o.example.org")
# A password that is not a token of nic53.
NO_TOKEN = "it:is-a-password"
# Forms of the URL: scheme, the authority in it, and the path in front of /nic/update.
SHAPES = (
    ("https", "dyn.example.test", ""),
    ("http", "dyn.example.test:8053", ""),
    ("https", "dyn.example.test:8443", "/prod"),
    ("http", "[2001:db8::53]", ""),
)
# What is shown for one recipe, all of it read at once.
READ = """
    function text(element) { return element.textContent; }
    function all(selector, within) { return [].slice.call((within || document).querySelectorAll(selector)); }
    return {
        title: text(document.querySelector('#recipe h3')),
        pasted: all('#recipe .paste').map(function (block) {
            var rows = all('.row', block);
            return rows.length ? rows.map(function (row) { return all('span', row).map(text).join(''); }).join('\\n') : text(block);
        }),
        warnings: all('#recipe .warn').map(text),
        certificate: all('#recipe .tag').length
    };
"""


class Recipes(unittest.TestCase):
    """Each recipe of the page against the command."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.sites = {scheme: Sites(scheme, cls.gateway) for scheme in ("https", "http")}
        rules = []
        for scheme, authority, _ in SHAPES:
            name, port = authority, {"https": 443, "http": 80}[scheme]
            if not authority.endswith("]") and ":" in authority:
                name, port = authority.rsplit(":", 1)
            rules.append(f"MAP {name}:{port} 127.0.0.1:{cls.sites[scheme].port}")
            cls.sites[scheme].names.add(name)
        for site in cls.sites.values():
            cls.addClassCleanup(site.stop)
        cls.browser = chromium.start(", ".join(rules))
        cls.addClassCleanup(cls.browser.quit)
        cls.clients = [line.split("\t")[0] for line in cls.gateway.run("setup")[0].splitlines()]

    def test_every_recipe_is_that_of_the_command(self) -> None:
        compared = 0
        for shape in SHAPES:
            for hosts in (HOSTS[:1], HOSTS):
                compared += self.compare(shape, hosts, self.gateway.token)
        self.assertEqual(compared, len(SHAPES) * 2 * len(self.clients))
        self.assertGreaterEqual(len(self.clients), 26)
        print(f"{compared} recipes compared", end=" ", flush=True)

    def test_what_does_not_fit_is_warned_of_as_by_the_command(self) -> None:
        for host in ODD:
            self.compare(SHAPES[0], (host,), self.gateway.token)
        self.compare(SHAPES[1], HOSTS[:1], NO_TOKEN)

    def compare(self, shape: tuple[str, str, str], hosts: tuple[str, ...], token: str) -> int:
        """Compares all recipes, and counts them."""
        scheme, authority, prefix = shape
        url = f"{scheme}://{authority}{prefix}"
        page = Page(self.browser, f"{url}/ui")
        page.type("host", ", ".join(hosts))
        page.type("token", token)
        printed = self.print_all(url, hosts, token)
        for client in self.clients:
            self.browser.execute_script("location.hash = arguments[0]", client)
            page.wait(lambda: page.all("#recipe h3"), client)
            shown = self.browser.execute_script(READ)
            with self.subTest(client=client, url=url, hosts=hosts):
                pasted, warnings = printed[client]
                self.assertEqual("\n\n".join(shown["pasted"]), pasted.removesuffix("\n"))
                self.assertEqual(len(shown["warnings"]), len(warnings), f"{shown['warnings']}\n{warnings}")
                self.assertNotIn("undefined", "".join(shown["pasted"] + shown["warnings"]))
        return len(self.clients)

    def print_all(self, url: str, hosts: tuple[str, ...], token: str) -> dict[str, tuple[str, list[str]]]:
        """What the command prints on a pipe for each client, and its warnings or what it refuses."""
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        arguments = ["--url", url, "--token-file", "-"]
        running = {
            client: self.gateway.start(["setup", client, *hosts, *arguments], **streams) for client in self.clients
        }
        printed = {}
        for client, process in running.items():
            pasted, warnings = process.communicate(token, chromium.PATIENCE)
            said = "warning: "
            if process.returncode:
                # It prints nothing for a host that the client breaks on.
                said = "breaks on its"
                self.assertEqual((process.returncode, pasted, warnings.count(said)), (2, "", 1), warnings)
            printed[client] = pasted, [line for line in warnings.splitlines() if said in line]
        return printed


if __name__ == "__main__":
    unittest.main()
