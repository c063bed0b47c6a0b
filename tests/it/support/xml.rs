//! As much of XML as Route 53's requests need: elements, text and entities. Attributes are passed
//! over; anything else is malformed.

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name.
    pub(crate) name: String,
    /// Its own text.
    pub(crate) text: String,
    /// The elements in it.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of that name.
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads a document; `None` where it is malformed.
pub(crate) fn parse(text: &str) -> Option<Element> {
    let mut text = text.trim();
    if text.starts_with("<?") {
        text = text.split_once("?>")?.1.trim_start();
    }
    let (root, rest) = element(text)?;
    rest.trim().is_empty().then_some(root)
}

/// Text as it stands in a document.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One element, and what follows it.
fn element(text: &str) -> Option<(Element, &str)> {
    let (tag, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let name = tag.trim_end_matches('/').split_ascii_whitespace().next()?;
    let mut element = Element { name: name.to_owned(), ..Element::default() };
    if tag.ends_with('/') {
        return Some((element, rest));
    }
    loop {
        let (own, tail) = rest.split_at(rest.find('<')?);
        element.text.push_str(&unescape(own)?);
        if let Some(tail) = tail.strip_prefix("</") {
            let (end, tail) = tail.split_once('>')?;
            return (end.trim_end() == element.name).then_some((element, tail));
        }
        let (child, tail) = self::element(tail)?;
        element.children.push(child);
        rest = tail;
    }
}

/// Text with its entities decoded.
fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split('&');
    let mut decoded = pieces.next()?.to_owned();
    for piece in pieces {
        let (entity, rest) = piece.split_once(';')?;
        decoded.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            numeric => {
                let numeric = numeric.strip_prefix('#')?;
                let code = match numeric.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                    None => numeric.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        decoded.push_str(rest);
    }
    Some(decoded)
}
