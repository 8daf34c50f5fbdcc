//! `image.upscale`: an image made two or four times larger, by a filter or by a network.
//!
//! # Pixels
//!
//! Whatever the file, a network is given red, green and blue of 0 to 1, as they are stored, and what it gives is
//! clamped to that.
//!
//! | source | what the network is given | what becomes of its result |
//! |---|---|---|
//! | 8 and 16 bits | samples over 255 or 65,535 | as many bits again; 8 in a JPEG |
//! | grey | the grey three times | grey again: the mean of the three |
//! | palette, CMYK | the colours as they are decoded: RGB | RGB |
//! | alpha | colours that are not multiplied by it; a fully transparent pixel gets the mean colour, weighted by alpha, of the visible ones up to three pixels away, else black | colours by the network, alpha by Lanczos as at standard; on white in a JPEG |
//!
//! A network takes what lies around a tile for black, which would darken the edges of an image. So the image goes to it
//! with its edge pixels repeated four pixels far, and what that becomes is cut off.
//!
//! # Memory and time
//!
//! By a network the image is cut into tiles that overlap, and its result is written row of tiles by row of tiles. All
//! that is held (the source as far as it must be held decoded, the rows of it around the tiles, the tile at work, two
//! rows of tiles of the result) is added up beforehand, and the tiles are chosen so that it stays below what the preset
//! requires: 1 GiB for the large network, 800 MiB for the others, besides the weights. `/usr/bin/time -v fnr run
//! image.upscale image=@photo.png factor=4 --quality high -o big.png` shows what it was.
//!
//! How long it will take is told before the work, from the number of pixels that are computed and from [`Speeds`]:
//! built in, or measured on this machine by `fnr calibrate`. Progress is told for every step within a tile, and a
//! cancelled task stops within one.
//!
//! # Attempts
//!
//! After each row of tiles but the last its samples go into the artifact store as a PNG, and a checkpoint lists them.
//! The next attempt goes on behind them if image, model, factor and tiles are the same, and gives the same bytes on the
//! same kind of processor. What is lost, damaged or of other work is computed again; a line of the task's log says so.
//!
//! # Files
//!
//! | file | about |
//! |---|---|
//! | `function.rs`, `body.rs`, `files.rs` | the typed face and its presets; the body; artifacts to files and back |
//! | `network.rs`, `model.rs` | how an image may be enlarged; models ready to run |
//! | `enlarge.rs` | the way of an image from file to larger file |
//! | `format.rs`, `decode/`, `orient.rs` | which format, its rows, which way up |
//! | `filter.rs`, `resample.rs`, `pixels.rs` | weights, the filter at work, samples and numbers |
//! | `render.rs`, `window.rs`, `frame.rs`, `tile.rs` | a network at work: bands of the result, rows of the source, what is put around it, tiles |
//! | `alpha.rs`, `halve.rs` | alpha beside a network; what a network made too large |
//! | `shelf.rs`, `band.rs` | finished bands kept for another attempt |
//! | `speeds.rs`, `estimate.rs` | how long models take, and so an image |
//! | `feed.rs`, `encode.rs` | rows to the encoder, the encoders |
//! | `watched.rs`, `error.rs` | a reader that can be stopped, what goes wrong |

mod alpha;
mod band;
mod body;
mod decode;
mod encode;
mod enlarge;
mod error;
mod estimate;
mod feed;
mod files;
mod filter;
mod format;
mod frame;
mod function;
mod halve;
mod model;
mod network;
mod orient;
mod pixels;
mod render;
mod resample;
mod shelf;
mod speeds;
mod tile;
mod watched;
mod window;

#[cfg(test)]
mod tests;

pub use body::upscale;
pub use encode::OutputFormat;
pub use enlarge::{Enlarged, Options, enlarge};
pub use error::{EnlargeError, PIXEL_LIMIT, SIDE_LIMIT};
pub use estimate::{estimate, size};
pub use filter::{Factor, Filter};
pub use format::Format;
pub use function::{Style, UPSCALE, UpscaleInput, UpscaleOutput, implementation};
pub use network::{Network, Rendering, Way};
pub use speeds::{Speeds, measure};
