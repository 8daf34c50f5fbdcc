//! `image.upscale`: an image made two or four times larger.
//!
//! | file | about |
//! |---|---|
//! | `function.rs`, `files.rs` | the typed face; artifacts to files and back |
//! | `enlarge.rs` | the way of an image from file to larger file |
//! | `format.rs`, `decode/`, `orient.rs` | which format, its rows, which way up |
//! | `filter.rs`, `resample.rs`, `pixels.rs` | weights, the filter at work, samples and numbers |
//! | `feed.rs`, `encode.rs` | rows to the encoder, the encoders |
//! | `watched.rs`, `error.rs` | a reader that can be stopped, what goes wrong |

mod decode;
mod encode;
mod enlarge;
mod error;
mod feed;
mod files;
mod filter;
mod format;
mod function;
mod orient;
mod pixels;
mod resample;
mod watched;

#[cfg(test)]
mod tests;

pub use encode::OutputFormat;
pub use enlarge::{Enlarged, Options, enlarge};
pub use error::{EnlargeError, PIXEL_LIMIT, SIDE_LIMIT};
pub use filter::{Factor, Filter};
pub use format::Format;
pub use function::{Network, Style, UPSCALE, UpscaleInput, UpscaleOutput, implementation, upscale};
