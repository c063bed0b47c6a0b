//! What to type or paste into a client: a text file in `recipes/` each, described in its README.
//!
//! [`RECIPES`] lists them. A new one needs its file, its line there, and its section in `docs/devices.md`, or, if it is
//! for certificates, in `docs/certificates.md`.
//!
//! The head of a recipe, between two lines of `---`, has one `key: value` a line: `title`, `about`, `checked`,
//! optionally `also`, `certificate`, `warning`, `token-in` and `address`, then the limits that [`Limits`] lists. The
//! body is Markdown with placeholders.

/// The name of each client, and the text of its recipe; those for certificates are last.
pub const RECIPES: [(&str, &str); 45] = [
    ("asus", include_str!("recipes/asus.md")),
    ("asus-merlin", include_str!("recipes/asus-merlin.md")),
    ("cisco-ios", include_str!("recipes/cisco-ios.md")),
    ("curl", include_str!("recipes/curl.md")),
    ("dd-wrt", include_str!("recipes/dd-wrt.md")),
    ("ddclient3", include_str!("recipes/ddclient3.md")),
    ("ddclient4", include_str!("recipes/ddclient4.md")),
    ("ddupdate", include_str!("recipes/ddupdate.md")),
    ("draytek", include_str!("recipes/draytek.md")),
    ("edgeos", include_str!("recipes/edgeos.md")),
    ("ez-ipupdate", include_str!("recipes/ez-ipupdate.md")),
    ("freshtomato", include_str!("recipes/freshtomato.md")),
    ("fritzbox", include_str!("recipes/fritzbox.md")),
    ("hikvision", include_str!("recipes/hikvision.md")),
    ("inadyn", include_str!("recipes/inadyn.md")),
    ("inadyn-provider", include_str!("recipes/inadyn-provider.md")),
    ("lancom", include_str!("recipes/lancom.md")),
    ("mikrotik", include_str!("recipes/mikrotik.md")),
    ("netgear", include_str!("recipes/netgear.md")),
    ("nic53", include_str!("recipes/nic53.md")),
    ("omada", include_str!("recipes/omada.md")),
    ("openwrt", include_str!("recipes/openwrt.md")),
    ("opnsense", include_str!("recipes/opnsense.md")),
    ("pfsense", include_str!("recipes/pfsense.md")),
    ("powershell", include_str!("recipes/powershell.md")),
    ("qnap", include_str!("recipes/qnap.md")),
    ("speedport", include_str!("recipes/speedport.md")),
    ("synology", include_str!("recipes/synology.md")),
    ("systemd", include_str!("recipes/systemd.md")),
    ("tp-link", include_str!("recipes/tp-link.md")),
    ("unifi", include_str!("recipes/unifi.md")),
    ("vyos", include_str!("recipes/vyos.md")),
    ("vyos-1.3", include_str!("recipes/vyos-1.3.md")),
    ("other", include_str!("recipes/other.md")),
    ("acme.sh", include_str!("recipes/acme.sh.md")),
    ("caddy", include_str!("recipes/caddy.md")),
    ("cert-manager", include_str!("recipes/cert-manager.md")),
    ("certbot", include_str!("recipes/certbot.md")),
    ("dehydrated", include_str!("recipes/dehydrated.md")),
    ("home-assistant", include_str!("recipes/home-assistant.md")),
    ("lego", include_str!("recipes/lego.md")),
    ("nginx-proxy-manager", include_str!("recipes/nginx-proxy-manager.md")),
    ("opnsense-acme", include_str!("recipes/opnsense-acme.md")),
    ("proxmox", include_str!("recipes/proxmox.md")),
    ("traefik", include_str!("recipes/traefik.md")),
];

/// The name of the client that somebody calls this: by its name, its title or another name of it, in any case and with
/// any punctuation.
pub fn find(typed: &str) -> Option<&'static str> {
    let wanted = letters(typed);
    let is_called = |(client, text): &&(&str, &'static str)| {
        Recipe::parse(client, text).is_ok_and(|recipe| recipe.names(client).any(|name| name == wanted))
    };
    RECIPES.iter().find(is_called).map(|(client, _)| *client)
}

/// The letters and digits of a name, in lower case.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A client: what it is, what it cannot do, and how to set it up.
pub struct Recipe {
    /// Its name as people know it.
    pub title: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Other names of it, with `, ` between them.
    pub also: &'static str,
    /// How the template was verified, and what was not.
    pub checked: &'static str,
    /// Whether it gets certificates for the host, instead of moving it.
    pub certificate: bool,
    /// When the token goes in the query and not in a header.
    pub token_in_query: InQuery,
    /// Whether the client publishes the address that the gateway sees.
    pub address_is_seen: bool,
    /// What must be known before anything is pasted.
    pub warning: Option<&'static str>,
    /// What it cannot do.
    pub limits: Limits,
    /// Markdown with placeholders.
    pub body: &'static str,
}

/// When a client has its token in the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InQuery {
    /// Never: it sends a header.
    #[default]
    Never,
    /// If the URL is https.
    OverHttps,
    /// Always.
    Always,
}

impl InQuery {
    /// Whether that is so at a URL, given whether that is https.
    pub fn at(self, https: bool) -> bool {
        match self {
            Self::Never => false,
            Self::OverHttps => https,
            Self::Always => true,
        }
    }
}

/// What a client cannot do, as the head of its template says it; a key that is absent is no limit.
#[derive(Debug, Default)]
pub struct Limits {
    /// `hosts`: how many hosts.
    pub hosts: Option<usize>,
    /// `user`: characters of the user name.
    pub user: Option<usize>,
    /// `token`: characters of the password.
    pub token: Option<usize>,
    /// `host`: characters of a host's name.
    pub host: Option<usize>,
    /// `server`: characters of the server's name with its port.
    pub server: Option<usize>,
    /// `url`: characters of a URL as it is typed.
    pub url: Option<usize>,
    /// `refuses`: characters that break it, wherever they are.
    pub refuses: &'static str,
    /// `user-refuses`: characters that its user name may not have.
    pub user_refuses: &'static str,
    /// `https`: `no`, `always`, or a condition, such as `only with wget-ssl`.
    pub https: Option<&'static str>,
    /// `port`: `no` if it uses the scheme's own port only.
    pub no_port: bool,
    /// `path`: `no` if it asks for `/nic/update` only.
    pub no_path: bool,
}

impl Recipe {
    /// Parses the recipe of a client.
    ///
    /// # Errors
    ///
    /// If its head is malformed.
    pub fn parse(client: &str, text: &'static str) -> Result<Self, String> {
        let (head, body) = text
            .strip_prefix("---\n")
            .and_then(|text| text.split_once("\n---\n"))
            .ok_or_else(|| format!("recipe {client}: expected a head between two lines of `---`"))?;
        let mut recipe = Self {
            title: "",
            about: "",
            also: "",
            checked: "",
            certificate: false,
            token_in_query: InQuery::Never,
            address_is_seen: false,
            warning: None,
            limits: Limits::default(),
            body,
        };
        for line in head.lines() {
            let entry = line.split_once(": ").ok_or("expected `key: value`");
            entry
                .and_then(|(key, value)| recipe.set(key, value.trim()))
                .map_err(|problem| format!("recipe {client}: `{line}`: {problem}"))?;
        }
        Ok(recipe)
    }

    /// The letters and digits of all its names.
    fn names(&self, client: &str) -> impl Iterator<Item = String> {
        let all = self.also.split(", ").chain([self.title]).map(letters);
        all.chain([letters(client)]).filter(|name| !name.is_empty())
    }

    /// Sets the value of one line of the head.
    fn set(&mut self, key: &str, value: &'static str) -> Result<(), &'static str> {
        let number = || value.parse().map(Some).map_err(|_| "expected a number");
        let no = || if value == "no" { Ok(true) } else { Err("expected `no`") };
        match key {
            "title" => self.title = value,
            "about" => self.about = value,
            "also" => self.also = value,
            "checked" => self.checked = value,
            // The token of a wildcard gets no certificate: one for the name above it is for the wildcard too.
            "certificate" if value == "yes" => (self.certificate, self.limits.refuses) = (true, "*"),
            "warning" => self.warning = Some(value),
            "token-in" => {
                self.token_in_query = match value {
                    "query" => InQuery::Always,
                    "query over https" => InQuery::OverHttps,
                    _ => return Err("expected `query` or `query over https`"),
                }
            }
            "address" if value == "seen" => self.address_is_seen = true,
            "hosts" => self.limits.hosts = number()?,
            "user" => self.limits.user = number()?,
            "token" => self.limits.token = number()?,
            "host" => self.limits.host = number()?,
            "server" => self.limits.server = number()?,
            "url" => self.limits.url = number()?,
            "refuses" => self.limits.refuses = value,
            "user-refuses" => self.limits.user_refuses = value,
            "https" => self.limits.https = Some(value),
            "port" => self.limits.no_port = no()?,
            "path" => self.limits.no_path = no()?,
            _ => return Err("expected a key that src/recipes/README.md lists"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_found_by_any_of_its_names() {
        for (typed, found) in [
            ("fritzbox", Some("fritzbox")),
            ("FritzBox", Some("fritzbox")),
            ("Fritz!Box", Some("fritzbox")),
            ("FRITZ!OS", Some("fritzbox")),
            ("DDWRT", Some("dd-wrt")),
            ("dd wrt", Some("dd-wrt")),
            ("Asuswrt-Merlin", Some("asus-merlin")),
            ("udm", Some("unifi")),
            ("ddclient", Some("ddclient4")),
            ("opnsense", Some("opnsense")),
            ("acmesh", Some("acme.sh")),
            ("vyos", Some("vyos")),
            ("VyOS 1.3", Some("vyos-1.3")),
            ("", None),
            ("!", None),
            ("fritz", None),
        ] {
            assert_eq!(find(typed), found, "{typed}");
        }
        for (client, _) in RECIPES {
            assert_eq!(find(client), Some(client));
        }
    }

    #[test]
    fn no_two_clients_are_called_the_same() {
        let mut all = std::collections::HashMap::new();
        for (client, text) in RECIPES {
            let recipe = Recipe::parse(client, text).unwrap();
            for name in recipe.names(client) {
                let other = all.insert(name.clone(), client).unwrap_or(client);
                assert_eq!(other, client, "{name}");
            }
        }
    }

    #[test]
    fn a_head_that_makes_no_sense_is_named() {
        for (text, named) in [
            ("title: x\n", "`---`"),
            ("---\ntitle\n---\n", "`title`"),
            ("---\nuser: many\n---\n", "`user: many`"),
            ("---\ncolour: red\n---\n", "`colour: red`"),
            ("---\nport: yes\n---\n", "`port: yes`"),
            ("---\ntoken-in: body\n---\n", "`token-in: body`"),
            ("---\ncertificate: no\n---\n", "`certificate: no`"),
        ] {
            let error = Recipe::parse("router", text).err().unwrap_or_default();
            assert!(error.starts_with("recipe router:") && error.contains(named), "{text}: {error}");
        }
    }
}
