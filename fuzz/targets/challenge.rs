//! Challenges: the names and values of a body, and whose they may be, against a second reading of JSON, of forms, of
//! names and of digests.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use nic53::{
    protocol::{
        access::Access,
        challenge::{Api, access::Caller, body::ChallengeBody, reply::ChallengeWord},
        credentials::Credentials,
        token::{Secret, Secrets},
        update::claimed,
        zone::Zones,
    },
    settings::Settings,
};
use sha2::{Digest, Sha256};

use super::{hostname, reference::decode};
use crate::support::gateway::{SECRET, token};

/// The zones, of which one is a challenge name in another.
const ZONES: &str = "example.org=Z1,lab.example.org=Z2,_acme-challenge.inner.example.org=Z4";

/// The tokens, as the transcripts write them; the last is nobody's.
const TOKENS: [&str; 7] = [
    "host home.example.org",
    "subtree home.example.org",
    "subtree example.org",
    "subtree lab.example.org",
    "host *.home.example.org",
    "host inner.example.org",
    "",
];

/// The user names.
const USERS: [&str; 8] = [
    "home.example.org",
    " HOME.example.org. ",
    "x.home.example.org",
    "_acme-challenge.lab.example.org",
    "router",
    "",
    "me@example.org",
    "a..b",
];

/// The values of `Content-Type`.
const TYPES: [&str; 4] =
    ["", "application/json", "Application/JSON; charset=utf-8", "application/x-www-form-urlencoded"];

thread_local! {
    /// The secrets, the settings and the tokens.
    static MINTED: (Secrets, Settings, Vec<String>) = {
        let zones = Zones::parse(ZONES).expect("zones");
        let settings = Settings::read(|name| (name == "NIC53_ZONES").then(|| ZONES.to_owned())).expect("settings");
        let secrets = Secrets { current: Secret::new(SECRET).expect("a secret"), previous: None };
        let mint = |wanted: &&str| token(wanted, &zones).unwrap_or_else(|_| "0123456789abcdefghjkmnpq".to_owned());
        (secrets, settings, TOKENS.iter().map(mint).collect())
    };
}

/// Takes a byte for the API and the type, one for the user name and the token, and the rest for the body.
pub fn run(data: &[u8]) {
    let [how, who, body @ ..] = data else { return };
    let (how, who) = (usize::from(*how), usize::from(*who));
    let api = [Api::Present, Api::Cleanup, Api::AcmeDns][how % 3];
    let declared = TYPES[how / 3 % TYPES.len()];
    let (user, place) = (USERS[who % USERS.len()], who / USERS.len() % TOKENS.len());
    let Some(expected) = Expected::read(api, declared, user, TOKENS[place], body) else { return };
    let found = MINTED.with(|(secrets, settings, tokens)| {
        let access = Access { zones: &settings.zones, secrets, generations: &settings.generations };
        answer(access, api, declared, user, &tokens[place], body)
    });
    assert_eq!(
        found,
        expected.0,
        "{api:?} {declared:?} {user:?} {} {:?}",
        TOKENS[place],
        body.escape_ascii().to_string()
    );
}

/// What the gateway decides: the challenge name, the value and the reply, or the word that refuses them.
type Decided = Result<(String, String, String), &'static str>;

/// The gateway's way, but for the store.
fn answer(access: Access<'_>, api: Api, declared: &str, user: &str, token: &str, body: &[u8]) -> Decided {
    let mut headers = HeaderMap::new();
    if !declared.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(declared).expect("a header"));
    }
    headers.insert("x-api-user", HeaderValue::from_str(user).expect("a header"));
    headers.insert("x-api-key", HeaderValue::from_str(token).expect("a header"));
    let Credentials { user, password } = Credentials::of_acme_dns(&headers).expect("credentials");
    let mut caller = Caller::new(access, claimed(&user).as_ref(), &password).map_err(|refusal| refusal.word.word())?;
    let read = ChallengeBody::read(&headers, body).map_err(|refusal| refusal.word.word())?;
    let host = read.host(api, user.trim()).map_err(|refusal| refusal.word.word())?;
    let grant = caller.grant(host.clone()).map_err(|refusal| refusal.word.word())?;
    assert_eq!((grant.host(), grant.name().as_str()), (&host, format!("_acme-challenge.{host}").as_str()));
    let digest = read.digest(api).map_err(|refusal| refusal.word.word())?;
    let reply = read.reply(api);
    assert_eq!(
        (reply.status(), reply.headers()["content-type"].as_bytes()),
        (http::StatusCode::OK, &b"application/json"[..])
    );
    Ok((grant.name().to_string(), digest.as_str().to_owned(), reply.into_body()))
}

/// What a request should come to.
struct Expected(Decided);

impl Expected {
    /// The second reading. `None` where JSON may be read in two ways.
    fn read(api: Api, declared: &str, user: &str, token: &str, body: &[u8]) -> Option<Self> {
        let user = user.trim();
        let claims = user.contains('.') && !user.contains('@');
        if claims && !hostname::canonical(user).is_some_and(|name| covers(token, &name)) {
            return Some(Self(Err(ChallengeWord::BadAuth.word())));
        }
        let begins = body.iter().find(|octet| !octet.is_ascii_whitespace());
        let pairs = if declared.to_ascii_lowercase().starts_with("application/json") || begins == Some(&b'{') {
            match Json::object(body) {
                Ok(pairs) => pairs,
                Err(Fault::Malformed) => return Some(Self(Err("malformed"))),
                Err(Fault::Doubtful) => return None,
            }
        } else {
            form(body)
        };
        Some(Self(decide(api, user, claims, token, &pairs)))
    }
}

/// What is decided about names and values.
fn decide(api: Api, user: &str, claims: bool, token: &str, pairs: &[(String, Option<String>)]) -> Decided {
    let last = |name: &str| {
        let of_name = pairs.iter().rev().find(|(given, _)| given.eq_ignore_ascii_case(name));
        of_name.and_then(|(_, text)| text.clone()).filter(|text| !text.is_empty())
    };
    let (fqdn, domain) = (last("fqdn"), last("domain"));
    let dotted = Some(user.to_owned()).filter(|user| user.contains('.'));
    let said = match api {
        Api::AcmeDns => last("subdomain").or(dotted),
        Api::Present | Api::Cleanup => fqdn.clone().or_else(|| domain.clone()),
    };
    let name = said.and_then(|said| hostname::canonical(said.trim())).ok_or("notfqdn")?;
    let labelled = name.strip_prefix("_acme-challenge.").map(str::to_owned);
    let host = match (api, &fqdn) {
        (Api::AcmeDns, _) => labelled.unwrap_or(name),
        (Api::Present | Api::Cleanup, Some(_)) => labelled.ok_or("nohost")?,
        (Api::Present | Api::Cleanup, None) => name,
    };
    // `_acme-challenge.org` leaves one label.
    if !host.contains('.') || host.starts_with('*') || host.len() + "_acme-challenge.".len() > 253 {
        return Err("notfqdn");
    }
    let name = format!("_acme-challenge.{host}");
    if !covers(token, &host) {
        return Err(if claims { "nohost" } else { "badauth" });
    }
    if zone_of(&name) != zone_of(&host) {
        return Err("nohost");
    }
    let is_word = |text: &String| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    let is_value = |text: &String| text.len() == 43 && is_word(text);
    let is_jose = |text: &String| is_word(&text.replace('.', ""));
    let (value, reply) = match (api, fqdn) {
        (Api::AcmeDns, _) => {
            let text = last("txt").filter(is_value).ok_or("badtxt")?;
            (text.clone(), format!("{{\"txt\": {}}}", quoted(&text)))
        }
        (Api::Present | Api::Cleanup, Some(fqdn)) => {
            let text = last("value").filter(is_value).ok_or("badtxt")?;
            (text.clone(), format!("{{\"fqdn\":{},\"value\":{}}}", quoted(&fqdn), quoted(&text)))
        }
        (Api::Present | Api::Cleanup, None) => {
            let proof = last("token").filter(is_jose).ok_or("badtxt")?;
            let key = last("keyAuth").filter(is_jose).ok_or("badtxt")?;
            let domain = quoted(&domain.unwrap_or_default());
            let reply = format!("{{\"domain\":{domain},\"token\":{},\"keyAuth\":{}}}", quoted(&proof), quoted(&key));
            (digest(&key), reply)
        }
    };
    Ok((name, value, reply))
}

/// The zone of a name: the longest that it is in.
fn zone_of(name: &str) -> Option<&'static str> {
    ["_acme-challenge.inner.example.org", "lab.example.org", "example.org"]
        .into_iter()
        .find(|zone| name == *zone || name.ends_with(&format!(".{zone}")))
}

/// Whether a token covers a name.
fn covers(token: &str, name: &str) -> bool {
    let Some((scope, root)) = token.split_once(' ') else { return false };
    let zone = zone_of(name);
    // The tenth label below the apex is the last.
    let fits = zone.is_some_and(|zone| name.split('.').count() <= zone.split('.').count() + 10);
    zone == zone_of(root) && fits && (name == root || scope == "subtree" && name.ends_with(&format!(".{root}")))
}

/// The digest of a key authorization in base64url, six bits at a time.
fn digest(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let octets = Sha256::digest(text);
    let bit = |at: usize| octets.get(at / 8).is_some_and(|octet| octet >> (7 - at % 8) & 1 == 1);
    let letter = |at: usize| (0..6).fold(0, |number, offset| number << 1 | usize::from(bit(at * 6 + offset)));
    (0..43).map(|at| char::from(ALPHABET[letter(at)])).collect()
}

/// A text as JSON has it, with its shortest escapes (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let escape = |letter: char| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        letter if letter < ' ' => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// The pairs of a form.
fn form(body: &[u8]) -> Vec<(String, Option<String>)> {
    let text = String::from_utf8_lossy(body);
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    let pairs = pieces.map(|piece| piece.split_once('=').unwrap_or((piece, "")));
    pairs.map(|(name, value)| (decode(name), Some(decode(value)))).collect()
}

/// Why a text is not read as an object.
enum Fault {
    /// It is none (RFC 8259).
    Malformed,
    /// It has something that readers of JSON take differently: octets that are not UTF-8, half a surrogate pair, a
    /// number that is too large, very deep nesting.
    Doubtful,
}

/// A reader of JSON.
struct Json<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl Json<'_> {
    /// The pairs of an object and nothing after it; `None` for a value that is no string.
    fn object(body: &[u8]) -> Result<Vec<(String, Option<String>)>, Fault> {
        // Whether it is malformed too is then nobody's question.
        std::str::from_utf8(body).map_err(|_| Fault::Doubtful)?;
        let mut json = Json { rest: body, depth: 0 };
        json.space();
        let pairs = json.pairs()?;
        json.space();
        if json.rest.is_empty() { Ok(pairs) } else { Err(Fault::Malformed) }
    }

    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn next(&mut self) -> Result<u8, Fault> {
        let (first, rest) = self.rest.split_first().ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.rest = self.rest.strip_prefix(text).ok_or(Fault::Malformed)?;
        Ok(())
    }

    fn pairs(&mut self) -> Result<Vec<(String, Option<String>)>, Fault> {
        self.expect(b"{")?;
        let mut pairs = Vec::new();
        self.space();
        if self.expect(b"}").is_ok() {
            return Ok(pairs);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b":")?;
            pairs.push((name, self.value()?));
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(pairs),
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn value(&mut self) -> Result<Option<String>, Fault> {
        self.space();
        match self.rest.first().ok_or(Fault::Malformed)? {
            b'"' => return self.string().map(Some),
            b'{' => self.deeper(|json| json.pairs().map(drop))?,
            b'[' => self.deeper(Self::list)?,
            b't' => self.expect(b"true")?,
            b'f' => self.expect(b"false")?,
            b'n' => self.expect(b"null")?,
            _ => self.number()?,
        }
        Ok(None)
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > 100 {
            return Err(Fault::Doubtful);
        }
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn list(&mut self) -> Result<(), Fault> {
        self.expect(b"[")?;
        self.space();
        if self.expect(b"]").is_ok() {
            return Ok(());
        }
        loop {
            self.value()?;
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(Fault::Malformed),
            }
        }
    }

    /// `-` an integer without leading zeros, a fraction, an exponent.
    fn number(&mut self) -> Result<(), Fault> {
        let text = self.rest;
        let _ = self.expect(b"-");
        let first = self.rest.first().copied();
        if self.digits()? > 1 && first == Some(b'0') {
            return Err(Fault::Malformed);
        }
        if self.expect(b".").is_ok() {
            self.digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            if let [b'+' | b'-', rest @ ..] = self.rest {
                self.rest = rest;
            }
            self.digits()?;
        }
        let text = &text[..text.len() - self.rest.len()];
        let number: f64 = String::from_utf8_lossy(text).parse().map_err(|_| Fault::Malformed)?;
        if number.is_finite() { Ok(()) } else { Err(Fault::Doubtful) }
    }

    /// How many digits there are: one at least.
    fn digits(&mut self) -> Result<usize, Fault> {
        let count = self.rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        self.rest = &self.rest[count..];
        if count == 0 { Err(Fault::Malformed) } else { Ok(count) }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.expect(b"\"")?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return String::from_utf8(text).map_err(|_| Fault::Doubtful),
                b'\\' => {
                    let letter = self.escape()?;
                    text.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                }
                octet if octet < b' ' => return Err(Fault::Malformed),
                octet => text.push(octet),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        Ok(match self.next()? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut unit = u32::from(self.unit()?);
                if (0xd800..0xdc00).contains(&unit) && self.expect(b"\\u").is_ok() {
                    let low = u32::from(self.unit()?);
                    // Otherwise it is the half of a pair.
                    unit = if (0xdc00..0xe000).contains(&low) {
                        0x10000 + ((unit - 0xd800) << 10) + low - 0xdc00
                    } else {
                        0xd800
                    };
                }
                char::from_u32(unit).ok_or(Fault::Doubtful)?
            }
            octet @ (b'"' | b'\\' | b'/') => char::from(octet),
            _ => return Err(Fault::Malformed),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Fault> {
        let digits = self.rest.get(..4).ok_or(Fault::Malformed)?;
        self.rest = &self.rest[4..];
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
        digits.iter().try_fold(0, |unit, octet| Some(unit << 4 | digit(octet)?)).ok_or(Fault::Malformed)
    }
}

/// Bodies as clients send them, and a few that none does.
pub fn seeds() -> Vec<Vec<u8>> {
    const VALUE: &str = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM";
    let seeds: [(u8, u8, &str); 20] = [
        (3, 0, r#"{"fqdn":"_acme-challenge.home.example.org.","value":"V"}"#),
        (4, 1, "{\"fqdn\": \"_ACME-challenge.Home.example.org\", \"value\": \"V\"}\n"),
        (
            3,
            4,
            r#"{"domain":"home.example.org","token":"T","keyAuth":"T.JZU5eQOLHFXyhDt4HEm4xdnBSduqjGgwBQT9zYk1gf4"}"#,
        ),
        (9, 12, "fqdn=_acme-challenge.x.home.example.org.&value=V"),
        (10, 20, "fqdn=_acme-challenge.example.org&value=V&fqdn=_acme-challenge.home.example.org"),
        (5, 0, r#"{"subdomain":"home.example.org","txt":"V"}"#),
        (8, 0, "{\"SubDomain\":\"_acme-challenge.home.example.org\",\"Txt\":\"V\"}\r\n"),
        (11, 16, r#" { "txt" : "V" , "subdomain" : "" } "#),
        (2, 16, "txt=V"),
        (0, 36, r#"{"fqdn":"_acme-challenge.home.example.org","value":"V"}"#),
        (0, 28, r#"{"fqdn":"_acme-challenge.lab.example.org","value":"V"}"#),
        (0, 44, r#"{"fqdn":"_acme-challenge.inner.example.org","value":"V"}"#),
        (3, 4, r#"{"fqdn":"\t\u005facme-challenge.home.example.org\n","VALUE":"V"}"#),
        (3, 4, r#"{"fqdn":null,"domain":"home.example.org","x":[1,-0.5e+3,{"a":[]}],"token":"","keyAuth":true}"#),
        (3, 4, r#"{"fqdn":"home.example.org","value":"V"}"#),
        (3, 20, r#"{"fqdn":"_acme-challenge._acme-challenge.home.example.org","value":"V"}"#),
        (3, 20, r#"{"fqdn":"_acme-challenge.*.home.example.org","value":"\ud83d\ude00"}"#),
        (5, 5, r#"{"txt":"V","subdomain":"*.home.example.org"}"#),
        (0, 4, "+fqdn=_acme-challenge.home.example.org&value=%56&%66qdn=%5Facme-challenge.home.example.org+"),
        (3, 4, "[]"),
    ];
    seeds
        .iter()
        .map(|(how, who, body)| {
            [
                &[*how, *who],
                body.replace("\"V\"", &format!("\"{VALUE}\"")).replace("=V", &format!("={VALUE}")).as_bytes(),
            ]
            .concat()
        })
        .collect()
}
