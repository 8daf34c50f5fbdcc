//! The schema of a function against a stored file: a change that would break somebody fails the test.

use std::{env, fs, path::Path};

use function_runner_core::{Data, Function, Version, schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is stored of a function: what queued tasks and deployed callers rely on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    function: String,
    version: Version,
    input: Value,
    output: Value,
}

/// Compares a function's types with the file that stores them: see [`assert_compatible!`](crate::assert_compatible).
///
/// `store` says whether a change that breaks nobody may be written to the file.
///
/// # Errors
///
/// What is wrong and what to do about it, in words.
pub fn compare<I: Data, O: Data>(function: Function<I, O>, file: &Path, store: bool) -> Result<(), String> {
    let template = function.template().map_err(|error| error.message().to_owned())?;
    let now = Stored {
        function: template.function.to_string(),
        version: template.version,
        input: template.input,
        output: template.output,
    };
    let shown = file.display();
    let Ok(text) = fs::read_to_string(file) else {
        write(file, &now)?;
        return Err(format!("`{shown}` did not exist and was written: commit it, and run this test again"));
    };
    let then: Stored = serde_json::from_str(&text).map_err(|error| {
        format!("`{shown}` is no stored schema ({error}); take the committed one back, or delete it to write it anew")
    })?;
    judge(&then, &now)?;
    if then == now {
        return Ok(());
    }
    if store {
        return write(file, &now);
    }
    Err(format!(
        "`{}` changed in a way that breaks nobody: run this test with UPDATE_SCHEMAS=1 to store it in `{shown}`, and commit that",
        now.function
    ))
}

/// Whether `now` may follow `then` under its version.
fn judge(then: &Stored, now: &Stored) -> Result<(), String> {
    let name = &now.function;
    if then.function != *name {
        return Err(format!(
            "the file is of `{}`, not of `{name}`: give each function a file of its own",
            then.function
        ));
    }
    if now.version < then.version {
        return Err(format!(
            "`{name}` went back from {} to {}: a version only rises",
            then.version, now.version
        ));
    }
    if now.version.major > then.version.major || (&then.input, &then.output) == (&now.input, &now.output) {
        return Ok(());
    }
    let input = schema::breaks(&then.input, &now.input, schema::Side::Input);
    let output = schema::breaks(&then.output, &now.output, schema::Side::Output);
    let faults: Vec<_> = input
        .iter()
        .map(|fault| format!("\n  input {fault}"))
        .chain(output.iter().map(|fault| format!("\n  output {fault}")))
        .collect();
    if !faults.is_empty() {
        return Err(format!("`{name}` would break queued tasks or old callers:{}", faults.concat()));
    }
    if now.version.minor == then.version.minor {
        return Err(format!(
            "the types of `{name}` changed at {}: raise the minor version, so that old workers never meet the new input",
            now.version
        ));
    }
    Ok(())
}

fn write(file: &Path, stored: &Stored) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("`{}` cannot be written: {error}", file.display());
    let text = serde_json::to_string_pretty(stored).map_err(|error| told(&error))?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| told(&error))?;
    }
    fs::write(file, text + "\n").map_err(|error| told(&error))
}

/// [`compare`] as a test asks it: relative to the crate's folder, storing where `UPDATE_SCHEMAS` is set.
///
/// # Panics
///
/// Where [`compare`] says that something is wrong.
#[track_caller]
pub fn assert<I: Data, O: Data>(function: Function<I, O>, folder: &str, file: &str) {
    let store = env::var_os("UPDATE_SCHEMAS").is_some();
    if let Err(fault) = compare(function, &Path::new(folder).join(file), store) {
        panic!("{fault}");
    }
}

/// Fails the test where a change of a function's types would break tasks that are queued or callers that are deployed.
///
/// The file, relative to the crate's folder, holds the schemas that must go on working. Where it is missing it is
/// written, and the test fails once so that it is committed; after a change that breaks nobody, run the test with
/// `UPDATE_SCHEMAS=1`.
///
/// # Examples
///
/// ```no_run
/// use function_runner_core::Function;
/// use function_runner_testkit::assert_compatible;
///
/// const DOUBLE: Function<u32, u32> = Function::new("double");
///
/// #[test]
/// fn queued_tasks_and_old_callers_still_work() {
///     assert_compatible!(DOUBLE, "schemas/double.json");
/// }
/// ```
#[macro_export]
macro_rules! assert_compatible {
    ($function:expr, $file:expr) => {
        $crate::compatible::assert($function, env!("CARGO_MANIFEST_DIR"), $file)
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(version: &str, input: Value) -> Stored {
        Stored {
            function: "f".into(),
            version: version.parse().unwrap(),
            input,
            output: json!({"type": "integer"}),
        }
    }

    fn object(fields: &Value, required: &Value) -> Value {
        json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false})
    }

    #[test]
    fn a_new_required_field_breaks_and_an_optional_one_raises_the_minor() {
        let then = stored("1.0.0", object(&json!({"a": {"type": "string"}}), &json!(["a"])));
        let fields = json!({"a": {"type": "string"}, "b": {"type": "string"}});
        let required = object(&fields, &json!(["a", "b"]));
        let fault = judge(&then, &stored("1.1.0", required.clone())).unwrap_err();
        assert!(fault.contains("input `/b`") && fault.contains("raise the major version"), "{fault}");
        assert!(judge(&then, &stored("2.0.0", required)).is_ok(), "a new major may break");
        let optional = object(&fields, &json!(["a"]));
        assert!(judge(&then, &stored("1.0.1", optional.clone())).unwrap_err().contains("raise the minor"));
        assert!(judge(&then, &stored("1.1.0", optional)).is_ok());
        assert!(
            judge(&stored("1.1.0", json!({})), &stored("1.0.0", json!({}))).is_err(),
            "a version only rises"
        );
    }

    #[test]
    fn the_file_is_written_once_and_then_compared() {
        const DOUBLE: Function<u32, u32> = Function::new("double");
        const NARROW: Function<u8, u32> = Function::new("double").version("1.1.0");
        const WIDE: Function<u64, u32> = Function::new("double").version("1.1.0");
        let folder = env::temp_dir().join(format!("fnr-compatible-{}", std::process::id()));
        let file = folder.join("schemas/double.json");
        assert!(compare(DOUBLE, &file, false).unwrap_err().contains("commit it"));
        assert_eq!(compare(DOUBLE, &file, false), Ok(()));
        assert!(compare(NARROW, &file, true).unwrap_err().contains("break queued tasks"));
        assert!(compare(WIDE, &file, false).unwrap_err().contains("UPDATE_SCHEMAS=1"));
        assert_eq!(compare(WIDE, &file, true), Ok(()));
        assert_eq!(compare(WIDE, &file, false), Ok(()));
        fs::remove_dir_all(folder).unwrap();
    }
}
