//! One violation: where, what kind, what was wrong, what is allowed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What kind of violation it is; programs decide by this, never by the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultCode {
    /// A field that the schema does not have.
    UnknownField,
    /// A field that is required and not there; the pointer names it.
    Missing,
    /// A value of another type.
    WrongType,
    /// Not one of the values or forms that are allowed.
    NotAllowed,
    /// A number under its minimum, over its maximum, or no multiple of what it has to be one of.
    OutOfRange,
    /// A text, array or object with more than it may have.
    TooLong,
    /// A text, array or object with less than it must have.
    TooShort,
    /// An array that holds an item twice.
    Repeated,
    /// A text that does not match its pattern.
    Pattern,
    /// A text that is not of its format: `date-time`, `uuid`.
    Format,
    /// It is not JSON.
    Malformed,
    /// Arrays and objects nest deeper than they may.
    TooDeep,
    /// There are more faults than are listed.
    TooMany,
    /// Another kind, newer than this program or too rare for a name.
    #[serde(other)]
    Other,
}

/// One violation of a schema: a JSON pointer to the place, and what is wrong there.
///
/// `Display` prints what stands behind the pointer.
///
/// # Examples
///
/// ```
/// use function_runner_core::schema::{Fault, FaultCode};
///
/// let mut fault = Fault::new("/qualty", FaultCode::UnknownField, "unknown field");
/// fault.suggestion = Some("quality".into());
/// assert_eq!(fault.to_string(), "unknown field; did you mean `quality`?");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fault {
    /// A JSON pointer to the value, or to the field that is missing or unknown; `""` is the whole input.
    /// Names in it are cut after 64 characters, and control characters are escaped.
    pub pointer: String,
    /// What kind of violation it is.
    pub code: FaultCode,
    /// What is wrong and what is allowed, in words.
    pub message: String,
    /// The values that are allowed there, at most the first 100; empty unless the schema lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
    /// The nearest name or value that is known, where one is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Fault {
    /// Makes a fault; messages are lower case and end without a full stop.
    pub fn new(pointer: impl Into<String>, code: FaultCode, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, message: message.into(), allowed: Vec::new(), suggestion: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.suggestion {
            // A message may say it in words of its own.
            Some(near) if !self.message.contains("did you mean") => write!(f, "; did you mean `{near}`?"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_suggestion_is_said_once() {
        let mut fault = Fault::new("/a", FaultCode::UnknownField, "unknown field");
        fault.suggestion = Some("b".to_owned());
        assert_eq!(fault.to_string(), "unknown field; did you mean `b`?");
        fault.message = "unknown field; did you mean `b`? (it is set elsewhere)".to_owned();
        assert_eq!(fault.to_string(), fault.message);
    }

    #[test]
    fn it_travels_and_an_unknown_code_is_read_as_other() {
        let fault = Fault::new("/a", FaultCode::TooLong, "has 3 items; at most 2 are allowed");
        let text = serde_json::to_value(&fault).unwrap();
        assert_eq!(text, json!({"pointer": "/a", "code": "too_long", "message": fault.message}));
        assert_eq!(serde_json::from_value::<Fault>(text).unwrap(), fault);
        let newer = json!({"pointer": "", "code": "brand_new", "message": "m", "extra": 1});
        assert_eq!(serde_json::from_value::<Fault>(newer).unwrap().code, FaultCode::Other);
    }
}
