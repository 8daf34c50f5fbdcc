//! The nearest known name to one that was misspelt.

/// Names longer than this are never compared.
const LONGEST: usize = 64;
/// Names past the first so many are never compared.
const MOST: usize = 1_000;

/// The known name nearest to the one that was wanted, if one is near enough to have been meant.
///
/// Near are names that differ only in case, `_`, `-` and `.`; names a few edits away (a swap of neighbours
/// counts as one): none for up to 2 characters, one for up to 5, two for up to 10, three past that; and names
/// of which the wanted one is a whole part between dots. Of equally near ones the first is taken.
///
/// The work is bounded: only the first 1,000 names are looked at, and none of over 64 bytes.
///
/// # Examples
///
/// ```
/// use function_runner_core::schema::nearest;
///
/// assert_eq!(nearest("qualty", ["priority", "quality"]), Some("quality"));
/// assert_eq!(nearest("maxTokens", ["max_tokens"]), Some("max_tokens"));
/// assert_eq!(nearest("upscale", ["image.resize", "image.upscale"]), Some("image.upscale"));
/// assert_eq!(nearest("colour", ["factor"]), None);
/// ```
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let folded = fold(wanted);
    let length = folded.chars().count();
    let limit = match length {
        0..=2 => 0,
        3..=5 => 1,
        6..=10 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for name in known.into_iter().take(MOST).filter(|name| name.len() <= LONGEST) {
        let distance = distance(wanted, &folded, length, name, limit);
        if distance.is_some_and(|distance| best.is_none_or(|(least, _)| distance < least)) {
            best = distance.map(|distance| (distance, name));
        }
        if matches!(best, Some((0, _))) {
            break;
        }
    }
    best.map(|(_, name)| name)
}

/// How far a known name is, or nothing if that is over the limit.
fn distance(wanted: &str, folded: &str, length: usize, name: &str, limit: usize) -> Option<usize> {
    if wanted == name {
        return Some(0);
    }
    let known = fold(name);
    if known.is_empty() {
        return None;
    }
    if known.chars().count().abs_diff(length) <= limit {
        let edits = strsim::osa_distance(folded, &known);
        if edits <= limit {
            return Some(edits);
        }
    }
    let is_part = name.contains('.') && name.split('.').any(|part| part.eq_ignore_ascii_case(wanted));
    is_part.then_some(limit + 1)
}

/// One spelling for names that differ only in case and separators.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("imgae", ["prompt", "image"]), Some("image"));
        assert_eq!(nearest("FACTOR", ["factor"]), Some("factor"));
        assert_eq!(nearest("hgih", ["draft", "standard", "high", "ultra"]), Some("high"));
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("x", ["X"]), Some("X"));
        assert_eq!(nearest("cat", ["dog", "bird"]), None);
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest("___", ["---", "a"]), None);
        assert_eq!(nearest("width", ["widht", "widths", "width"]), Some("width"));
    }

    #[test]
    fn long_names_and_many_names_cost_little() {
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        let names: Vec<String> = (0..100_000).map(|n| format!("name_{n}")).collect();
        assert_eq!(nearest("nmae_7", names.iter().map(String::as_str)), Some("name_7"));
        assert_eq!(nearest("something_else", names.iter().map(String::as_str)), None);
    }

    proptest! {
        #[test]
        fn one_edit_in_a_long_name_is_always_found(name in "[a-z]{6,20}", at in any::<usize>(), c in "[a-z]") {
            let mut wrong = name.clone();
            wrong.replace_range(at % name.len()..=at % name.len(), &c);
            prop_assert_eq!(nearest(&wrong, ["0000000000", name.as_str()]), Some(name.as_str()));
        }

        #[test]
        fn what_is_found_is_one_of_the_known(wanted in ".{0,70}", known in proptest::collection::vec(".{0,12}", 0..9)) {
            let found = nearest(&wanted, known.iter().map(String::as_str));
            prop_assert!(found.is_none_or(|name| known.iter().any(|k| k == name)));
        }
    }
}
