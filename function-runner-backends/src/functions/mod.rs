//! The built-in functions: real work on a fresh machine.
//!
//! | function | what it does |
//! |---|---|
//! | [`image.upscale`](upscale) | makes an image two or four times larger |

#![forbid(unsafe_code)]

pub mod upscale;

use function_runner_core::Registry;

/// All built-in functions, ready to be served.
///
/// # Examples
///
/// ```
/// let registry = function_runner_backends::functions::registry();
/// assert!(registry.check().is_ok());
/// assert!(registry.find("image.upscale", 1).is_some());
/// ```
pub fn registry() -> Registry {
    Registry::new().add(upscale::implementation())
}
