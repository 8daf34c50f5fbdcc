//! JSON text into a value, with its depth bounded before anything recurses over it.

use serde_json::Value;

use super::fault::{Fault, FaultCode};
use crate::{Error, Result};

/// How deep arrays and objects may nest in a payload.
pub const MAX_DEPTH: usize = 64;

/// Reads JSON text; its size is the caller's to check.
///
/// Depth is measured before anything is read, without recursion, so no text can exhaust the stack. Of fields
/// given twice the last counts.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with one fault, at the root: `too_deep` past
/// [`MAX_DEPTH`], `malformed` with line and column where it is not JSON.
///
/// # Examples
///
/// ```
/// use function_runner_core::schema::parse;
///
/// assert_eq!(parse(b"[1, 2]")?, serde_json::json!([1, 2]));
/// let error = parse(b"{\"a\": 1,\n \"b\": }").unwrap_err();
/// assert_eq!(error.faults()[0].message, "not JSON at line 2, column 7: expected value");
/// # Ok::<(), function_runner_core::Error>(())
/// ```
pub fn parse(text: &[u8]) -> Result<Value> {
    let depth = depth_of_text(text);
    if depth > MAX_DEPTH {
        return Err(refused(FaultCode::TooDeep, too_deep(depth)));
    }
    serde_json::from_slice(text).map_err(|error| refused(FaultCode::Malformed, describe(text, &error)))
}

/// How deep the brackets outside of strings nest; of text that is not JSON, no less than a parser would go.
fn depth_of_text(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = end_of_string(text, at),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Where the string that opens at `at` closes.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    loop {
        at += 1;
        match text.get(at) {
            None | Some(b'"') => return at,
            Some(b'\\') => at += 1,
            Some(_) => {}
        }
    }
}

fn refused(code: FaultCode, message: String) -> Error {
    Error::of_faults(message.clone(), vec![Fault::new("", code, message)])
}

fn too_deep(depth: usize) -> String {
    format!("nested {depth} levels deep; at most {MAX_DEPTH} are allowed")
}

fn describe(text: &[u8], error: &serde_json::Error) -> String {
    if text.iter().all(u8::is_ascii_whitespace) {
        return "not JSON: the text is empty".to_owned();
    }
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let what = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    let what = if error.is_eof() {
        format!("it ends too early ({})", what.trim_start_matches("EOF "))
    } else {
        what.to_owned()
    };
    format!("not JSON at line {line}, column {column}: {what}")
}

/// The fault of a value that nests too deep, if it does; looks no deeper than the limit.
pub(super) fn depth_fault(value: &Value) -> Option<Fault> {
    let message = || format!("nested over {MAX_DEPTH} levels deep; at most {MAX_DEPTH} are allowed");
    is_deeper(value, MAX_DEPTH).then(|| Fault::new("", FaultCode::TooDeep, message()))
}

pub(super) fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|field| is_deeper(field, levels - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    fn fault(text: impl AsRef<[u8]>) -> Fault {
        let error = parse(text.as_ref()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.faults().len(), 1);
        assert_eq!(error.message(), error.faults()[0].message);
        error.faults()[0].clone()
    }

    #[test]
    fn ten_thousand_levels_are_an_error_that_names_them_and_the_limit() {
        for text in ["[".repeat(10_000), format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))] {
            let fault = fault(text);
            assert_eq!(fault.code, FaultCode::TooDeep);
            assert_eq!(fault.message, "nested 10000 levels deep; at most 64 are allowed");
        }
    }

    #[test]
    fn the_limit_itself_is_allowed_and_brackets_in_strings_do_not_count() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(fault(nested(MAX_DEPTH + 1)).code, FaultCode::TooDeep);
        let brackets = "[{".repeat(1_000);
        assert_eq!(
            parse(format!(r#""\"{brackets}\\""#).as_bytes()).unwrap(),
            json!(format!("\"{brackets}\\"))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        let message = |text: &str| fault(text).message;
        assert_eq!(message("{\"a\": 1\n\"b\": 2}"), "not JSON at line 2, column 1: expected `,` or `}`");
        assert_eq!(message("[1, 2,]"), "not JSON at line 1, column 7: trailing comma");
        assert_eq!(
            message("[1, 2"),
            "not JSON at line 1, column 5: it ends too early (while parsing a list)"
        );
        assert_eq!(message("1 2"), "not JSON at line 1, column 3: trailing characters");
        assert_eq!(message(" \n"), "not JSON: the text is empty");
        assert!(message("[1e999]").contains("number out of range"));
        assert_eq!(fault(b"\"\xff\"").code, FaultCode::Malformed);
        assert_eq!(parse(b"{\"a\": 1, \"a\": 2}").unwrap(), json!({"a": 2}));
    }

    #[test]
    fn a_deep_value_made_by_a_program_is_told_too() {
        let nested = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
        assert!(depth_fault(&nested(MAX_DEPTH)).is_none());
        assert_eq!(depth_fault(&nested(MAX_DEPTH + 1)).unwrap().code, FaultCode::TooDeep);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_one_fault(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = parse(&text) {
                prop_assert_eq!(error.faults().len(), 1);
            }
        }

        #[test]
        fn no_value_is_deeper_than_its_text_was_measured(text in r#"[\[\]{}",:\\a1 ]{0,40}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert!(!is_deeper(&value, depth_of_text(text.as_bytes())));
            }
        }
    }
}
