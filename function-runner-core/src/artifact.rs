//! Files that go in or come out, and the store that keeps them by their content.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorKind, Result, id::hex};

/// The SHA-256 of some content: an artifact's address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The digest of these 32 bytes of hash.
    #[must_use]
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut hash = [0; 32];
        let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        match digits {
            Some(digits) if digits.len() == 64 && !text.contains(|c: char| c.is_ascii_uppercase()) => {
                for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = pair[0] << 4 | pair[1];
                }
                Ok(Self(hash))
            }
            _ => Err(Error::new(ErrorKind::InvalidCall, "this is not a SHA-256")
                .with_help("it is 64 lower-case hexadecimal digits")),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

/// A file that goes in or comes out of a function: what travels in payloads in its place.
///
/// As JSON it is `{"uri", "media_type", "size_bytes", "sha256", "name"?}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Artifact {
    /// Where it is: `artifact:` and its SHA-256.
    pub uri: String,
    /// What it is, such as `image/png`.
    pub media_type: String,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// What it contains.
    pub sha256: Digest,
    /// What a person calls it; never used as a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Artifact {
    /// The artifact of this content.
    pub fn new(sha256: Digest, size_bytes: u64, media_type: impl Into<String>) -> Self {
        Self {
            uri: format!("artifact:{sha256}"),
            media_type: media_type.into(),
            size_bytes,
            sha256,
            name: None,
        }
    }

    /// With what a person calls it.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl JsonSchema for Artifact {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Artifact".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A file, addressed by its content",
            "x-fnr-artifact": true,
            "properties": {
                "uri": { "type": "string", "maxLength": 1024 },
                "media_type": { "type": "string", "maxLength": 128 },
                "size_bytes": { "type": "integer", "minimum": 0 },
                "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                "name": { "type": ["string", "null"], "maxLength": 255 },
            },
            "required": ["uri", "media_type", "size_bytes", "sha256"],
            "additionalProperties": false,
        })
    }
}

/// Content on its way: chunks of any size, or the error that ended it.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Where artifacts are kept: put and got as streams, verified by their content.
///
/// # Contract
///
/// Each line is a case of the suite of the same name.
///
/// - `put_then_get_gives_the_same_bytes`: what was put is got back, whatever its size, the empty file included.
/// - `put_is_idempotent`: the same content put again gives the same artifact and is kept once.
/// - `a_stream_that_fails_leaves_nothing`: a put whose stream ends with an error stores nothing.
/// - `a_range_gives_just_that_part`: a get with a range gives those bytes; one past the end is refused.
/// - `head_tells_the_size`: the size without the content.
/// - `what_was_never_put_is_unknown`: get and head of other content are `unknown_artifact`.
/// - `damaged_content_is_told`: content that no longer has its SHA-256 ends a whole get with `digest_mismatch`.
/// - `many_puts_of_one_content_at_once_all_succeed`: they do not disturb one another.
#[async_trait]
pub trait ArtifactStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps this content and says where.
    ///
    /// # Errors
    ///
    /// What the stream ended with; [`ErrorKind::Io`] or [`ErrorKind::Unavailable`] if it cannot be kept.
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact>;

    /// Gives this content, or a part of it, as a stream; a whole one is verified on the way and ends with
    /// [`ErrorKind::DigestMismatch`] if it was damaged.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownArtifact`]; [`ErrorKind::InvalidCall`] for a range past the end.
    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream>;

    /// How many bytes this content has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownArtifact`].
    async fn head(&self, content: &Digest) -> Result<u64>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: ArtifactStore + ?Sized> ArtifactStore for Arc<S> {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        (**self).put(content, media_type).await
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        (**self).get(content, range).await
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        (**self).head(content).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_writes() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("E3".repeat(32).parse::<Digest>().is_err() && "é".repeat(64).parse::<Digest>().is_err());
    }
}
