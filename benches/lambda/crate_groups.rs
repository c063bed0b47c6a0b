//! The crates of the binary, in groups.

/// The C library.
pub const C: &str = "C library: memory, sockets";

/// Families, and how the names of their crates begin; the first that fits.
const GROUPS: [(&str, &[&str]); 10] = [
    ("Lambda runtime", &["lambda_runtime", "lambda_http", "aws_lambda_events", "query_map", "encoding_rs", "mime"]),
    ("AWS SDK", &["aws_"]),
    ("URLs and patterns, for the SDK", &["url", "idna", "icu_", "regex_lite", "xmlparser", "utf8_iter"]),
    (
        "TLS: rustls, ring, webpki",
        &[
            "rustls",
            "ring",
            "webpki",
            "tokio_rustls",
            "pki_types",
            "untrusted", // what ring has in C and assembly:
            "x25519",
            "ge_",
            "fe_",
            "fiat_",
            "table_select",
            "p256",
            "p384",
            "ecp_",
            "bn_",
            "LIMB",
            "aes_",
            "gcm_",
            "ghash_",
            "chacha",
            "ChaCha",
            "poly1305",
        ],
    ),
    ("HTTP: hyper, h2, http", &["hyper", "h2", "http", "httparse", "tower", "indexmap", "hashbrown", "want"]),
    ("tokio, futures, tracing", &["tokio", "futures", "mio", "tracing", "bytes", "pin_project"]),
    ("serde_json", &["serde", "ryu", "itoa"]),
    ("SHA-256 and HMAC", &["sha2", "hmac", "digest", "block_buffer", "subtle", "zeroize", "cpufeatures"]),
    ("nic53", &["nic53", "bootstrap", "base64", "percent_encoding", "serde_urlencoded", "form_urlencoded"]),
    (
        "Rust's standard library",
        &[
            "core",
            "alloc",
            "std",
            "__rust",
            "__rdl",
            "rust_",
            "rustc_demangle",
            "gimli",
            "addr2line",
            "miniz_oxide",
            "memchr",
            "object",
            "compiler_builtins",
        ],
    ),
];

/// The group of a function, by its demangled name.
pub fn of(function: &str) -> &'static str {
    // `<a::B as c::D>::e` and `<&mut a::B>::e` are of a; generic code counts for its own crate.
    let name = function.trim_start_matches(['<', '&', '*', '[', '(']);
    let name = name.strip_prefix("mut ").or(name.strip_prefix("dyn ")).unwrap_or(name);
    let fits = |(_, crates): &&(&str, &[&str])| crates.iter().any(|start| name.starts_with(start));
    let found = GROUPS.iter().find(fits);
    if let (None, Some((_, behind))) = (found, name.split_once(" as ")) {
        return of(behind);
    }
    found.map_or("others", |(group, _)| group)
}
