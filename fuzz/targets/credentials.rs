//! Credentials in the header, query and form: who is let in, against a second reading of them.

use http::{HeaderMap, HeaderValue, Request};
use nic53::{
    protocol::{
        access::Access,
        hostname::HostName,
        parameters::Parameters,
        reply::ReturnCode,
        token::{Scope, Secret, Secrets},
        update::Update,
        zone::Zones,
    },
    settings::Settings,
};

use super::{fixture::ZONES, hostname, input, reference};

/// What the token is minted under.
const SECRET: &str = "the-secret-of-the-fuzz-targets-0123456789";

thread_local! {
    /// The secrets, and the token of `home.example.org`.
    static MINTED: (Secrets, String) = {
        let secret = Secret::new(SECRET).expect("a secret");
        let zones = Zones::parse(ZONES).expect("zones");
        let name: HostName = "home.example.org".parse().expect("a name");
        let zone = zones.holding(&name).expect("a zone");
        let token = secret.mint(Scope::Host, &name, zone, 0).reveal().to_owned();
        (Secrets { current: secret, previous: None }, token)
    };
    /// The settings, of which the zones matter.
    static SETTINGS: Settings = Settings::read(|name| (name == "NIC53_ZONES").then(|| ZONES.to_owned())).expect("settings");
}

/// Takes a byte for how they are given, a line for the header and the rest for a form.
pub fn run(data: &[u8]) {
    let Some((&how, text)) = data.split_first() else { return };
    MINTED.with(|(secrets, token)| {
        let text = input::expand(text, token);
        let (header, form) = match text.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&text[..end], &text[end + 1..]),
            None => (&text[..], &[][..]),
        };
        let header = if how & 2 == 0 { input::encoded(header) } else { header.to_vec() };
        let (mut parts, ()) = Request::post("/nic/update").body(()).expect("a request").into_parts();
        if how & 1 == 0 {
            let Ok(value) = HeaderValue::from_bytes(&header) else { return };
            parts.headers.insert("authorization", value);
        }
        let in_query = how & 4 == 0;
        let form = [form, b"&hostname=home.example.org"].concat();
        let parameters = Parameters::read(&parts, &form);
        let update = Update::parse(&parts.headers, &parameters, in_query);
        let expected = expected(&parts.headers, &form, !in_query);
        let update = match (update, &expected) {
            (Ok(update), Some(_)) => update,
            (Err(refusal), None) => return assert_eq!(refusal.code, ReturnCode::BadAuth),
            (Ok(_), None) => panic!("taken for credentials: {:?}", String::from_utf8_lossy(&header)),
            (Err(refusal), Some(_)) => panic!("{refusal:?}: {:?}", String::from_utf8_lossy(&header)),
        };
        let (user, password) = expected.expect("checked above");
        let user = user.trim();
        let claimed = (user.contains('.') && !user.contains('@')).then(|| hostname::canonical(user));
        assert_eq!(claimed, update.user.as_ref().map(|user| user.as_ref().ok().map(ToString::to_string)));
        let right = password == *token && claimed.is_none_or(|name| name.as_deref() == Some("home.example.org"));
        SETTINGS.with(|settings| {
            let access = Access { zones: &settings.zones, secrets, generations: &settings.generations };
            let decided = access.authorize(&update);
            let granted = decided.as_ref().is_ok_and(|authorized| authorized.hosts.iter().any(Result::is_ok));
            assert!(right || !granted, "{user:?} was let in");
            // Too many hosts may be asked for beside it, or another zone.
            let refused = matches!(&decided, Err(refusal) if refusal.code == ReturnCode::BadAuth);
            assert!(!right || !refused, "{user:?} was not let in: {decided:?}");
            for grant in decided.iter().flat_map(|authorized| &authorized.hosts).flatten() {
                assert_eq!(grant.host().as_str(), "home.example.org");
            }
        });
        if right {
            assert!(update.loggable_hosts().all(|host| !host.contains(token.as_str())));
            let shown = format!("{:?}", update.password);
            assert!(!shown.contains(token.as_str()), "{shown}");
        }
    });
}

/// User name and password, read in another way.
fn expected(headers: &HeaderMap, form: &[u8], header_only: bool) -> Option<(String, String)> {
    let form = String::from_utf8_lossy(form);
    reference::credentials(headers, &reference::pairs(&form), header_only)
}

/// Credentials of every sort.
pub fn seeds() -> Vec<Vec<u8>> {
    let seeds: [(u8, &str); 14] = [
        (0, "Basic home.example.org:{token}"),
        (0, "bASIC  HOME.example.org.:{token},"),
        (0, "Basic x:{token}\nu=other.example.org&p=wrong"),
        (0, "Basic x@y.z: {token} , "),
        (0, "Basic other.example.org:{token}"),
        (0, "Basic :{token}"),
        (0, "Basic home.example.org:a:b"),
        (0, "Bearer {token}"),
        (2, "Basic aG9tZS5leGFtcGxlLm9yZzp4"),
        (2, "Basic YTpi=="),
        (2, "Basic"),
        (1, "\nuser=home.example.org&pass={token}"),
        (1, "\np=&PWD=%20{token},&u=&login=x"),
        (5, "\ntoken={token}"),
    ];
    seeds.iter().map(|(how, text)| [&[*how], text.as_bytes()].concat()).collect()
}
