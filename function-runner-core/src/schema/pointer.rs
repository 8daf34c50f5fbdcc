//! JSON pointers: where a value is, and where a local reference leads.

use std::{borrow::Cow, fmt};

use serde_json::Value;

/// Names in a pointer are cut after so many characters, so that no fault is larger than a line.
const LONGEST: usize = 64;

/// The way from the root to a value, kept on the stack and written only for a fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: Step<'a>,
    pub(super) depth: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) const ROOT: Path<'static> = Path { above: None, step: Step::Root, depth: 0 };

    pub(super) fn name(&'a self, name: &'a str) -> Self {
        Self { above: Some(self), step: Step::Name(name), depth: self.depth + 1 }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Index(index), depth: self.depth + 1 }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Name(name) => write!(f, "/{}", segment(name)),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// A name as a segment of a pointer to be read: escaped as RFC 6901 says, cut, and without control
/// characters.
pub(super) fn segment(name: &str) -> String {
    let mut text = String::new();
    for (count, c) in name.chars().enumerate() {
        if count == LONGEST {
            text.push('…');
            break;
        }
        match c {
            '~' => text.push_str("~0"),
            '/' => text.push_str("~1"),
            c if c.is_control() || is_invisible(c) => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

/// Characters that turn or hide text on a screen: no name may forge a line with them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A name as a segment of a pointer to be followed, whole.
pub(super) fn escape(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}

/// The pointer of a local reference: `#/$defs/Tile` is `/$defs/Tile`, `#` is the root; nothing if it is not
/// local or is an anchor.
pub(super) fn target(reference: &str) -> Option<Cow<'_, str>> {
    let fragment = reference.strip_prefix('#')?;
    if !fragment.is_empty() && !fragment.starts_with('/') {
        return None;
    }
    if !fragment.contains('%') {
        return Some(fragment.into());
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (code, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::from)
}

/// Where a local reference leads.
pub(super) fn resolve<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    root.pointer(&target(reference)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_written_as_a_pointer() {
        let (items, tile);
        assert_eq!(Path::ROOT.to_string(), "");
        items = Path::ROOT.name("a/b~c");
        tile = items.index(3);
        assert_eq!(tile.name("x\ny").to_string(), "/a~1b~0c/3/x\\ny");
        assert!(Path::ROOT.name(&"n".repeat(1 << 20)).to_string().len() < 80);
    }

    #[test]
    fn local_references_resolve_and_others_do_not() {
        let root = json!({"$defs": {"a b": 1, "x/y": 2, "%": 3}});
        assert_eq!(resolve(&root, "#"), Some(&root));
        assert_eq!(resolve(&root, "#/$defs/a%20b"), Some(&json!(1)));
        assert_eq!(resolve(&root, "#/$defs/x~1y"), Some(&json!(2)));
        assert_eq!(resolve(&root, "#/$defs/%25"), Some(&json!(3)));
        for other in ["#anchor", "http://a.b/c", "c.json", "#/$defs/none", "#/%4", "#/%zz"] {
            assert_eq!(resolve(&root, other), None, "{other}");
        }
    }
}
