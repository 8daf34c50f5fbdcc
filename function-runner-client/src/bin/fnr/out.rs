//! Writing to stdout and stderr, where nobody may be reading any more.

use std::io::{self, ErrorKind::BrokenPipe, Write as _};

use function_runner_core::{Error, ErrorKind, Result};
use serde_json::Value;

/// Writes text and a line's end to stdout. A reader that has gone is no error: it has seen what it wanted.
///
/// # Errors
///
/// [`ErrorKind::Io`] where stdout cannot be written for another reason.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != BrokenPipe => {
            Err(Error::new(ErrorKind::Io, "cannot write to stdout").with_source(error))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON document in one line to stdout.
///
/// # Errors
///
/// As [`line()`].
pub(crate) fn document(document: &Value) -> Result<()> {
    line(&document.to_string())
}

/// Writes a line to stderr, for whoever looks on.
pub(crate) fn aside(text: &str) {
    // where stderr cannot be written there is nobody to tell
    let _ = writeln!(io::stderr().lock(), "{text}");
}
