//! Warnings about a client that cannot do what it is set up for.

use super::filling::{Account, Part, SHORT_USER};
use crate::{
    client::gateway_url::GatewayUrl,
    problem::Problem,
    protocol::{address::is_publishable, hostname::HostName},
    recipes::Recipe,
};

/// Refuses a host that the client breaks on: what would be pasted for `*` could remove another host's file.
///
/// # Errors
///
/// If a host has a letter that the client refuses.
pub(super) fn check_hosts(recipe: &Recipe, hosts: &[HostName]) -> Result<(), Problem> {
    for host in hosts.iter().map(ToString::to_string) {
        if let Some(letter) = host.chars().find(|letter| recipe.limits.refuses.contains(*letter)) {
            let title = recipe.title;
            return Err(Problem(format!(
                "`{host}`: {title} breaks on its `{letter}`: expected another host or client"
            )));
        }
    }
    Ok(())
}

/// What a person should know before setting the client up.
pub(super) fn warnings(recipe: &Recipe, url: &GatewayUrl, accounts: &[Account], parts: &[Part]) -> Vec<String> {
    let mut warnings: Vec<String> = recipe.warning.map(str::to_owned).into_iter().collect();
    warnings.extend(of_scheme(recipe, url));
    warnings.extend(of_server(recipe, url));
    warnings.extend(of_address(recipe, url));
    warnings.extend(of_hosts(recipe, accounts));
    for account in accounts {
        warnings.extend(of_account(recipe, account));
    }
    warnings.extend(of_length(recipe, parts));
    warnings
}

/// TLS that the client lacks, or that the URL lacks.
fn of_scheme(recipe: &Recipe, url: &GatewayUrl) -> Vec<String> {
    let title = recipe.title;
    let mut warnings = Vec::new();
    match (recipe.limits.https, url.https) {
        (Some("no"), true) => warnings.push(format!(
            "{title} has no TLS: expected an http:// URL of the gateway, over which the token is sent unencrypted"
        )),
        (Some("always"), false) => {
            warnings.push(format!("{title} always uses TLS: expected an https:// URL of the gateway"));
        }
        (Some("no" | "always") | None, _) | (Some(_), false) => {}
        (Some(when), true) => {
            warnings.push(format!("{title} has TLS {when}; `nic53 check` shows which versions the gateway accepts"));
        }
    }
    if !url.https && !url.is_loopback() {
        warnings.push(format!(
            "over {url} everyone in between can read the token: expected an https:// URL, unless {title} cannot do TLS"
        ));
    }
    warnings
}

/// The server's name, its port and the path behind it.
fn of_server(recipe: &Recipe, url: &GatewayUrl) -> Vec<String> {
    let (title, limits) = (recipe.title, &recipe.limits);
    let mut warnings = Vec::new();
    let server = url.authority();
    if let Some(most) = limits.server.filter(|most| server.len() > *most) {
        warnings.push(too_long(title, "server", &server, most, "a shorter name of the gateway"));
    }
    if limits.no_port && !url.has_default_port() {
        warnings.push(format!("{title} takes no port: expected a URL without `:{}`", url.port));
    }
    if limits.no_path && !url.prefix.is_empty() {
        warnings.push(format!("{title} asks for /nic/update only: expected a URL without `{}`", url.prefix));
    }
    warnings
}

/// A gateway that sees a private address, for a client that publishes what the gateway sees.
fn of_address(recipe: &Recipe, url: &GatewayUrl) -> Option<String> {
    let is_private = url.host.parse().is_ok_and(|address| !is_publishable(address, false)) || url.is_loopback();
    (recipe.address_is_seen && (is_private || is_local_name(&url.host))).then(|| {
        format!(
            "{} publishes the address that the gateway sees, and over {url} that is a private one: the gateway answers \
             dnserr; expected its public URL, or NIC53_ALLOW_PRIVATE=true in its settings to publish private addresses",
            recipe.title
        )
    })
}

/// Whether a name leads nowhere outside of a network of its own: it has one label, or an ending that is kept for such
/// names or that routers use for them.
fn is_local_name(name: &str) -> bool {
    const ENDINGS: [&str; 7] = [".local", ".lan", ".home", ".internal", ".home.arpa", ".localdomain", ".fritz.box"];
    let is_address = name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok();
    !is_address && (!name.contains('.') || ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

/// How many hosts there are.
fn of_hosts(recipe: &Recipe, accounts: &[Account]) -> Option<String> {
    let most = recipe.limits.hosts.filter(|most| accounts.len() > *most)?;
    let noun = if most == 1 { "host" } else { "hosts" };
    Some(format!(
        "{} takes {most} {noun} and {} were given: expected the others in a client of their own",
        recipe.title,
        accounts.len()
    ))
}

/// One host's name, user name and token.
fn of_account(recipe: &Recipe, account: &Account) -> Vec<String> {
    let (title, limits) = (recipe.title, &recipe.limits);
    let mut warnings = Vec::new();
    if account.user != account.host {
        warnings.push(format!(
            "{title} does not take `{}` as a user name{}: `{SHORT_USER}` is used instead; a user name without a dot claims \
             nothing, and the gateway checks the token against the host",
            account.host,
            limits.user.map(|most| format!(" (at most {most} characters)")).unwrap_or_default(),
        ));
    }
    if let Some(most) = limits.host.filter(|most| account.host.len() > *most) {
        warnings.push(too_long(title, "host name", &account.host, most, "a shorter host"));
    }
    if let Some(most) = limits.token.filter(|most| account.token.len() > *most) {
        warnings.push(format!(
            "the token of {} is {} characters long and {title} takes {most}",
            account.host,
            account.token.len()
        ));
    }
    // A token of ours has letters and digits; the token itself is not shown.
    if let Some(letter) =
        account.token.chars().find(|letter| BREAKING.contains(*letter) || limits.refuses.contains(*letter))
    {
        warnings.push(format!(
            "the token of {} has a `{letter}`, which breaks clients: expected 24 letters and digits, as `nic53 token` prints",
            account.host
        ));
    }
    warnings
}

/// Characters that break some client: in Basic credentials, URLs, configuration files or shells.
const BREAKING: &str = ":@/?#&=+%,'\"\\$`<>";

/// The longest URL that has to be typed.
fn of_length(recipe: &Recipe, parts: &[Part]) -> Option<String> {
    let most = recipe.limits.url?;
    let pasted = parts.iter().filter_map(|part| match part {
        Part::Paste(text) => Some(text),
        Part::Prose(_) => None,
    });
    let urls = pasted.flat_map(|text| text.split_whitespace()).filter(|word| word.contains("/nic/update"));
    let longest = urls.map(|url| url.chars().count()).max().filter(|length| *length > most)?;
    Some(format!(
        "the update URL is {longest} characters long and {} takes {most}: expected a shorter host or name of the gateway",
        recipe.title
    ))
}

/// A text that does not fit.
fn too_long(title: &str, what: &str, text: &str, most: usize, expected: &str) -> String {
    format!("{title} takes {most} characters as {what} and `{text}` has {}: expected {expected}", text.chars().count())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{super::filling::fill, *};

    /// The warnings about a client with this head.
    fn warned(head: &str, url: &str, hosts: &[&str], token: &str) -> String {
        let text = format!(
            "---\ntitle: Router\n{head}\n---\n```\n{{{{#hosts}}}}\n{{{{url}}}}/nic/update?hostname={{{{host}}}}\n{{{{/hosts}}}}\n```\n"
        );
        let recipe = Recipe::parse("router", Box::leak(text.into_boxed_str())).unwrap();
        let url = url.parse().unwrap();
        let accounts: Vec<_> = hosts
            .iter()
            .map(|host| Account::new(&host.parse().unwrap(), Zeroizing::new(token.to_owned()), &recipe.limits))
            .collect();
        let parts = fill(recipe.body, &url, &accounts).unwrap();
        warnings(&recipe, &url, &accounts, &parts).join("\n")
    }

    const TOKEN: &str = "p76tf75ar94am7g7pcjzryjr";
    const HTTPS: &str = "https://dyn.example.org";

    #[test]
    fn what_fits_is_not_warned_about() {
        let head = "user: 16\ntoken: 24\nhost: 16\nserver: 15\nurl: 60\nhosts: 1\nport: no\npath: no";
        assert_eq!(warned(head, HTTPS, &["home.example.org"], TOKEN), "");
        assert_eq!(warned("about: x", "http://127.0.0.1:8053", &["home.example.org"], TOKEN), "");
        assert_eq!(warned("address: seen", "https://dyn.lan.example.org", &["home.example.org"], TOKEN), "");
        assert_eq!(warned("address: seen", "https://[2001:db8::1]", &["home.example.org"], TOKEN), "");
        assert_eq!(warned("https: always", HTTPS, &["home.example.org"], TOKEN), "");
        assert_eq!(warned("https: no", "http://127.0.0.1", &["home.example.org"], TOKEN), "");
    }

    #[test]
    fn what_does_not_fit_is_warned_about_with_its_limit() {
        let home = "home.example.org";
        for (head, url, hosts, token, words) in [
            ("user: 15", HTTPS, &[home][..], TOKEN, &["user name", "15", "`nic53`", "without a dot"][..]),
            ("user-refuses: *", HTTPS, &["*.example.org"], TOKEN, &["`*.example.org`", "`nic53`"]),
            ("token: 23", HTTPS, &[home], TOKEN, &["24", "23"]),
            ("host: 15", HTTPS, &[home], TOKEN, &["16", "15", home]),
            ("server: 14", HTTPS, &[home], TOKEN, &["15", "14", "dyn.example.org"]),
            ("url: 40", HTTPS, &[home], TOKEN, &["60", "40"]),
            ("hosts: 1", HTTPS, &[home, "nas.example.org"], TOKEN, &["1 host", "2"]),
            ("port: no", "https://dyn.example.org:8443", &[home], TOKEN, &[":8443"]),
            ("path: no", "https://dyn.example.org/prod", &[home], TOKEN, &["/prod"]),
            ("https: no", HTTPS, &[home], TOKEN, &["no TLS", "http://"]),
            ("https: only on Sundays", HTTPS, &[home], TOKEN, &["only on Sundays"]),
            ("https: always", "http://192.168.1.2", &[home], TOKEN, &["always", "https://"]),
            ("about: x", "http://192.168.1.2", &[home], TOKEN, &["can read the token"]),
            ("address: seen", "http://192.168.1.2", &[home], TOKEN, &["private", "dnserr", "NIC53_ALLOW_PRIVATE=true"]),
            ("address: seen", "http://localhost:8053", &[home], TOKEN, &["private"]),
            ("address: seen", "http://gateway", &[home], TOKEN, &["private"]),
            ("address: seen", "https://dyn.fritz.box", &[home], TOKEN, &["private"]),
            ("address: seen", "https://dyn.home.arpa", &[home], TOKEN, &["private"]),
            ("about: x", HTTPS, &[home], "a:b", &["`:`", "letters and digits"]),
        ] {
            let text = warned(head, url, hosts, token);
            for word in words {
                assert!(text.contains(word), "{head} {url} {hosts:?}: {word} is not in: {text}");
            }
            assert!(!text.contains(token), "{text}");
        }
    }
}
