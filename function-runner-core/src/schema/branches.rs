//! Which of several alternatives was meant: its faults are told, not those of all.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    fault::FaultCode,
    nearest::nearest,
    pointer::Path,
    wording::{Found, MOST_ALLOWED, either, list, not_allowed, shown, with_article},
};

/// The faults to tell of a value that fits none of the alternatives, of each of which the faults are given.
///
/// An alternative was not meant if the value itself is of another type or form, or if it has another tag. Of
/// those that may have been, the one with the fewest misplaced fields was, then the one with the fewest
/// faults. Where nothing tells them apart, one fault says what all of them want.
pub(super) fn likeliest(branches: Vec<Vec<Found>>, input: &Value, path: &Path<'_>) -> Vec<Found> {
    let is_other_form = |found: &Found| {
        found.depth == path.depth && matches!(found.fault.code, FaultCode::WrongType | FaultCode::NotAllowed)
    };
    let (others, close): (Vec<_>, Vec<_>) =
        branches.into_iter().partition(|branch| branch.iter().any(is_other_form));
    if close.is_empty() {
        return vec![any_form(&others, input, path)];
    }
    let (tagged, mut meant): (Vec<_>, Vec<_>) =
        close.into_iter().partition(|branch| tag(branch, path).is_some());
    if meant.is_empty() {
        if let Some(found) = any_tag(&tagged, input, path) {
            return vec![found];
        }
        meant = tagged;
    }
    meant.sort_by_key(|branch| rank(branch, path));
    if let Some(found) = any_field(&meant, path) {
        return vec![found];
    }
    meant.into_iter().next().unwrap_or_default()
}

/// The fault of the tag, if that is what is wrong with an alternative.
fn tag<'f>(branch: &'f [Found], path: &Path<'_>) -> Option<&'f Found> {
    branch.iter().find(|found| found.is_tag && found.depth == path.depth + 1)
}

/// How much speaks against an alternative: fields that belong to another one do most, misspelt ones less.
fn rank(branch: &[Found], path: &Path<'_>) -> (usize, usize) {
    let misplaced = |found: &Found| match found.fault.code {
        _ if found.depth != path.depth + 1 => 0,
        FaultCode::UnknownField if found.fault.suggestion.is_some() => 1,
        FaultCode::UnknownField | FaultCode::Missing => 2,
        _ => 0,
    };
    (branch.iter().map(misplaced).sum(), branch.len())
}

/// One fault for a value that no alternative takes as it is: all the values and types that some of them take.
fn any_form(branches: &[Vec<Found>], input: &Value, path: &Path<'_>) -> Found {
    let here = || branches.iter().flatten().filter(|found| found.depth == path.depth);
    let allowed = union(here());
    let types: BTreeSet<&'static str> = here().flat_map(|found| found.types.iter().copied()).collect();
    let names: Vec<String> = types.iter().map(|name| with_article(name).to_owned()).collect();
    let types = types.into_iter().collect();
    match (allowed.is_empty(), names.is_empty()) {
        (true, true) => {
            let message = format!("{} has none of the forms that are allowed here", shown(input));
            Found::new(path, FaultCode::NotAllowed, message)
        }
        (true, false) => {
            let message = format!("{} is not {}", shown(input), either(&names));
            Found { types, ..Found::new(path, FaultCode::WrongType, message) }
        }
        (false, none) => {
            let mut found = Found { types, is_tag: false, ..not_allowed(input, &allowed, path) };
            if !none {
                found.fault.message += &format!(", or {}", either(&names));
            }
            found
        }
    }
}

/// One fault for a tag that is none of the alternatives', if all of them have it in the same field.
fn any_tag(branches: &[Vec<Found>], input: &Value, path: &Path<'_>) -> Option<Found> {
    let tags: Vec<&Found> = branches.iter().filter_map(|branch| tag(branch, path)).collect();
    let first = tags.first()?;
    if tags.iter().any(|other| other.fault.pointer != first.fault.pointer) {
        return None;
    }
    let allowed = union(tags.iter().copied());
    let mut fields = input.as_object()?.iter();
    match fields.find(|(name, _)| path.name(name).to_string() == first.fault.pointer) {
        Some((name, value)) => Some(not_allowed(value, &allowed, &path.name(name))),
        None => {
            let mut found = Found { is_tag: false, ..(*first).clone() };
            found.fault.message = format!("required field is missing; it must be one of {}", list(&allowed));
            found.fault.allowed = allowed;
            Some(found)
        }
    }
}

/// One fault for an object that could be any of several alternatives, each of which only wants another field.
fn any_field(sorted: &[Vec<Found>], path: &Path<'_>) -> Option<Found> {
    let [first, second, ..] = sorted else { return None };
    if rank(first, path).0 == 0 || rank(first, path) != rank(second, path) {
        return None;
    }
    let tied = sorted.iter().take_while(|branch| rank(branch, path) == rank(first, path));
    let names = tied.map(|branch| wanted(branch, path)).collect::<Option<Vec<String>>>()?;
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let mut found = Found::new(path, FaultCode::NotAllowed, "");
    let mut message =
        format!("fits none of the forms that are allowed here; it needs the field {}", either(&quoted));
    if let Some(unknown) = first.iter().find(|found| found.fault.code == FaultCode::UnknownField) {
        let name = last(&unknown.fault.pointer);
        message += &format!(", and has no field `{name}`");
        found.fault.suggestion = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
    }
    found.fault.message = message;
    Some(found)
}

/// The fields that an alternative misses, if it misses any.
fn wanted(branch: &[Found], path: &Path<'_>) -> Option<String> {
    let missing =
        branch.iter().filter(|found| found.fault.code == FaultCode::Missing && found.depth == path.depth + 1);
    let names: Vec<&str> = missing.map(|found| last(&found.fault.pointer)).collect();
    (!names.is_empty()).then(|| names.join("` with `"))
}

fn last(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(_, name)| name)
}

/// The values that any of these allow, each once.
fn union<'f>(found: impl Iterator<Item = &'f Found>) -> Vec<Value> {
    let mut allowed: Vec<Value> = Vec::new();
    for value in found.flat_map(|found| &found.fault.allowed) {
        if allowed.len() < MOST_ALLOWED && !allowed.contains(value) {
            allowed.push(value.clone());
        }
    }
    allowed
}
