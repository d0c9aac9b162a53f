//! A strict reader of the markup that pages are made of: XML without sections, comments and instructions.

/// An element with its attributes, still escaped.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Every element in the order of the document; or what is wrong, and where.
pub(super) fn elements(text: &str) -> Result<Vec<Element>, String> {
    let mut rest = text.strip_prefix("<!DOCTYPE html>").unwrap_or(text);
    let (mut found, mut open): (Vec<Element>, Vec<String>) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let near = || rest.chars().take(80).collect::<String>();
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            check_text(&rest[..end])?;
            rest = &rest[end..];
            continue;
        };
        let end = tag.find('>').ok_or_else(|| format!("an open tag: {}", near()))?;
        let (inside, after) = (&tag[..end], &tag[end + 1..]);
        if let Some(name) = inside.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes another element: {}", near()));
            }
        } else {
            let (inside, closed) = inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
            let element = element(inside).ok_or_else(|| format!("a malformed tag: {}", near()))?;
            if !closed {
                open.push(element.name.clone());
            }
            found.push(element);
        }
        rest = after;
    }
    if open.is_empty() { Ok(found) } else { Err(format!("never closed: {open:?}")) }
}

fn element(inside: &str) -> Option<Element> {
    let (name, mut rest) = inside.split_at(inside.find(char::is_whitespace).unwrap_or(inside.len()));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut attributes: Vec<(String, String)> = Vec::new();
    while !rest.trim_start().is_empty() {
        let (key, value) = rest.strip_prefix(char::is_whitespace)?.trim_start().split_once("=\"")?;
        let (value, after) = value.split_once('"')?;
        check_text(value).ok()?;
        if !is_name(&key.replace("viewBox", "viewbox")) || attributes.iter().any(|(own, _)| own == key) {
            return None;
        }
        attributes.push((key.into(), value.into()));
        rest = after;
    }
    is_name(name).then(|| Element { name: name.into(), attributes })
}

fn check_text(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        if !known.iter().any(|entity| text[at..].starts_with(entity)) {
            return Err(format!("a bare &: {}", &text[at..].chars().take(40).collect::<String>()));
        }
    }
    match text.find(['<', '>']) {
        Some(at) => Err(format!("a bare bracket: {}", &text[at..].chars().take(40).collect::<String>())),
        None => Ok(()),
    }
}
