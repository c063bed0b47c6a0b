//! Secrets are not left behind in memory: another process looks for them in the memory of one that
//! had them, as somebody who reads a core dump or a swapped page could.

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    process::{Child, Command, Stdio},
};

use crate::support::{
    captured,
    process::{Nic53, program},
};
use nic53::{
    protocol::{
        token::{Password, Scope, Secret},
        zone::Zone,
    },
    secrets::{Provider, Source},
};
use sha2::block_api::compress256;

/// The secret, in a file so that it is in nobody's environment.
const SECRET: &str = "the-secret-that-is-to-be-wiped-0123456789ab";
/// Set for the process that is looked into: the file with the secret.
const HOLDER: &str = "NIC53_TEST_HOLDER";

#[test]
fn a_secret_and_a_token_are_gone_when_they_are_dropped() {
    if let Some(file) = env::var_os(HOLDER) {
        return hold(&Source::File { current: file.into(), previous: None });
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("secret");
    fs::write(&file, SECRET).expect("room for a secret");
    let mut holder = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "wiped::a_secret_and_a_token_are_gone_when_they_are_dropped", "--nocapture"])
        .env(HOLDER, &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let mut output = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    let mut wait_for = |word: &str| {
        let mut lines = output.by_ref().map(|line| line.expect("text"));
        assert!(lines.any(|line| line == word), "{word}");
    };
    let sought = [
        ("the secret's text", SECRET.as_bytes().to_vec()),
        ("the inner key", key(0x36)),
        ("the outer key", key(0x5c)),
        ("the token", token().into_bytes()),
    ];

    wait_for("held");
    let held = sought.each_ref().map(|(what, needle)| (*what, occurrences(holder.id(), needle)));
    // The text itself is not kept, not even while the key is.
    assert!(held[0].1 == 0 && held[1..].iter().all(|(_, times)| *times > 0), "while they are held: {held:?}");
    go_on(&mut holder);
    wait_for("dropped");
    let left = sought.each_ref().map(|(what, needle)| (*what, occurrences(holder.id(), needle)));
    assert!(left.iter().all(|(_, times)| *times == 0), "after they were dropped: {left:?}");
    go_on(&mut holder);
    assert!(holder.wait().expect("its end").success());
}

#[test]
fn a_server_does_not_keep_the_text_of_its_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, data) = (folder.path().join("secret"), folder.path().join("data"));
    fs::write(&file, SECRET).expect("room for a secret");
    captured::secret(SECRET);
    let [file, data] = [&file, &data].map(|path| path.to_str().expect("a path that is text"));
    let settings = [("NIC53_ZONES", "example.org=Z1"), ("NIC53_SECRET_FILE", file), ("NIC53_DATA", data)];
    let gateway = Nic53::serve(&settings, &["--dns", "off"]);
    let url = format!("http://{}/nic/update?myip=192.0.2.7", gateway.http);
    let user = format!("home.example.org:{}", gateway.token(&["home.example.org"]));
    let updated = program("curl").args(&["--silent", "--user", &user, &url]).start().finish();
    assert_eq!(updated.stdout, "good 192.0.2.7", "{updated:?}");
    assert_eq!(occurrences(gateway.pid(), SECRET.as_bytes()), 0);
    // What it does keep, so that nothing would be found is not all that there is to find.
    assert!(occurrences(gateway.pid(), &key(0x36)) > 0);
}

#[test]
fn a_token_is_not_logged_wherever_a_client_puts_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let data = data.path().to_str().expect("a path that is text");
    let settings = [("NIC53_ZONES", "example.org=Z1"), ("NIC53_SECRET", SECRET), ("NIC53_DATA", data)];
    let gateway = Nic53::serve(&settings, &["--dns", "off"]);
    let token = gateway.token(&["example.org", "--subtree"]);
    let capitals = token.to_ascii_uppercase();
    let hosts = [
        format!("{token}.example.org"),
        format!("x{capitals}.example.org"),
        format!("a-{token}-b.example.org,{token}"),
        format!("home.example.org&user={capitals}"),
        format!("home.example.org&myip={token}"),
    ];
    for (number, hosts) in hosts.iter().enumerate() {
        for password in [&*token, "another-password"] {
            let url = format!("http://{}/nic/update?hostname={hosts}&zone={token}&myip=192.0.2.{number}", gateway.http);
            program("curl").args(&["--silent", "--user", &format!("example.org:{password}"), &url]).start().finish();
        }
    }
    let url = format!("http://{}/{token}/{token}?{token}", gateway.http);
    program("curl").args(&["--silent", "--referer", &token, &url]).start().finish();
    gateway.logged(&["unknown", "404"]);
    let log = gateway.log();
    assert_eq!(log.lines().count(), 2 * hosts.len() + 1, "{log}");
    assert!(!log.to_ascii_lowercase().contains(&token), "{log}");
}

/// Holds the secret and a token of it until the other process goes on, then drops them.
fn hold(source: &Source) {
    hold_until_asked(source);
    use_the_stack(32);
    print_and_wait("dropped");
}

/// Holds the secret and a token of it until the other process goes on.
fn hold_until_asked(source: &Source) {
    let log = captured::log();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let keeper = runtime.block_on(Provider::read(source, None, log)).unwrap_or_else(|problem| panic!("{problem}"));
    let secrets = runtime.block_on(keeper.current()).expect("secrets");
    let token = secrets.current.mint(Scope::Host, &"home.example.org".parse().expect("a name"), &zone(), 0);
    let password = Password::new(token.reveal()).expect("a password");
    let copy = secrets.current.clone();
    print_and_wait("held");
    drop((keeper, secrets, copy, token, password));
}

/// Overwrites the stack, `depth` calls deep, as the program's next calls would. Values leave copies in
/// the frames of functions that have returned, and Rust cannot wipe those.
#[inline(never)]
fn use_the_stack(depth: u8) {
    let frame = std::hint::black_box([depth; 4096]);
    if let Some(deeper) = depth.checked_sub(1) {
        use_the_stack(deeper);
    }
    std::hint::black_box(frame);
}

/// Prints a word on a line of its own and waits for an answer.
#[expect(clippy::print_stdout, reason = "the process that looks into this one reads it")]
fn print_and_wait(word: &str) {
    println!("\n{word}");
    io::stdin().read_line(&mut String::new()).expect("an answer");
}

/// Has the process go on.
fn go_on(holder: &mut Child) {
    holder.stdin.as_mut().expect("a pipe").write_all(b"\n").expect("it waits");
}

/// The token of `home.example.org`.
fn token() -> String {
    let secret = Secret::new(SECRET).unwrap_or_else(|problem| panic!("{problem}"));
    secret.mint(Scope::Host, &"home.example.org".parse().expect("a name"), &zone(), 0).reveal().to_owned()
}

/// The zone of it.
fn zone() -> Zone {
    Zone { name: "example.org".parse().expect("a name"), id: "Z1".parse().expect("an id") }
}

/// A key of HMAC-SHA-256 as it is kept: the state of SHA-256 after its padded block (RFC 2104 §4).
fn key(pad: u8) -> Vec<u8> {
    // FIPS 180-4 §5.3.3.
    let mut state =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    let mut block = [pad; 64];
    for (octet, letter) in block.iter_mut().zip(SECRET.bytes()) {
        *octet ^= letter;
    }
    compress256(&mut state, &[block]);
    state.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect()
}

/// How often these octets are in the memory that a process can write to.
fn occurrences(process: u32, needle: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("its maps");
    let memory = File::open(format!("/proc/{process}/mem")).expect("its memory: a child's may be read");
    let mut times = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let bounds = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let [from, to] = [bounds.0, bounds.1].map(|bound| u64::from_str_radix(bound, 16).expect("an address"));
        let mut octets = vec![0; usize::try_from(to - from).expect("a size")];
        // Some regions, such as the kernel's own, cannot be read.
        if memory.read_exact_at(&mut octets, from).is_ok() {
            times += octets.windows(needle.len()).filter(|window| *window == needle).count();
        }
    }
    times
}
