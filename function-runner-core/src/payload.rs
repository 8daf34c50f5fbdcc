//! What goes into a function and comes out: JSON text, shared, and never parsed on the way.

use std::{cell::Cell, fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, ErrorKind, Result};

/// The most bytes of one payload, on every backend: 10 MiB.
pub const MAX_PAYLOAD: usize = 10 << 20;

/// The largest buffer that a thread keeps to write in.
const MAX_KEPT: usize = 64 << 10;

thread_local! {
    /// Where payloads are written: each then gets just the memory it needs, at once.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// JSON text that is shared and never parsed on the way.
///
/// Cloning it copies no bytes and allocates nothing. `Debug` shows its size alone, since payloads may hold what no log
/// should.
///
/// # Examples
///
/// ```
/// use function_runner_core::Payload;
///
/// let payload = Payload::encode(&vec![1, 2, 3])?;
/// assert_eq!(payload.as_bytes(), b"[1,2,3]");
/// assert_eq!(payload.decode::<Vec<u8>>()?, [1, 2, 3]);
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// Writes a value as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the value cannot be JSON (a map whose keys are no strings);
    /// [`ErrorKind::TooLarge`] past [`MAX_PAYLOAD`].
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        // taken, so that a value which encodes another while it is written finds a buffer of its own
        let mut text = BUFFER.try_with(Cell::take).unwrap_or_default();
        text.clear();
        serde_json::to_writer(&mut text, value).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "this value cannot be written as JSON").with_source(error)
        })?;
        check_size(text.len())?;
        let payload = Self(text.as_slice().into());
        if text.capacity() <= MAX_KEPT {
            // a thread that is ending keeps nothing
            let _ = BUFFER.try_with(|buffer| buffer.set(text));
        }
        Ok(payload)
    }

    /// Takes JSON text from outside, checked.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] past [`MAX_PAYLOAD`]; [`ErrorKind::InvalidInput`] where it is not JSON or nests
    /// deeper than 64 levels.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self> {
        let text = text.as_ref();
        check_size(text.len())?;
        crate::schema::parse(text)?;
        Ok(Self(text.into()))
    }

    /// Takes bytes that a store kept: they are checked when they are decoded.
    #[must_use]
    pub fn from_stored(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().into())
    }

    /// Reads it as a value of this type.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not one.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        // checked once for the whole, and not again for every text in it
        let value = match std::str::from_utf8(&self.0) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(&self.0),
        };
        value.map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the payload is not of the type it is read as")
                .with_source(error)
        })
    }

    /// The JSON text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes: then it is no JSON.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// So that whatever shares owned bytes, such as the body of a request, can share these.
impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MAX_PAYLOAD {
        return Ok(());
    }
    let message = format!("a payload of {bytes} bytes is over the limit of {MAX_PAYLOAD}");
    Err(Error::new(ErrorKind::TooLarge, message).with_help("upload large content and send its artifact"))
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}
