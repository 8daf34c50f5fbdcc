//! Finding a function by what a person wrote.

use function_runner_core::{Error, ErrorKind, FunctionRef, Registry, Result, Template, schema::nearest};

/// The template of this function: the newest of the versions that are allowed.
///
/// # Errors
///
/// [`ErrorKind::UnknownFunction`] with the nearest name; [`ErrorKind::InvalidCall`] where it is no name at all.
pub(crate) fn find<'a>(registry: &'a Registry, wanted: &str) -> Result<&'a Template> {
    let parsed: FunctionRef = match wanted.parse() {
        Ok(parsed) => parsed,
        Err(error) => return Err(unknown(registry, wanted).unwrap_or(error)),
    };
    let versions = || registry.templates().filter(|template| template.function == parsed.name);
    let newest = versions().filter(|template| parsed.version.allows(template.version));
    newest.max_by_key(|template| template.version).ok_or_else(|| {
        let all: Vec<_> = versions().map(|template| template.version.to_string()).collect();
        if all.is_empty() {
            return unknown(registry, parsed.name.as_str()).unwrap_or_else(|| missing(registry, wanted, ""));
        }
        let message = format!("`{parsed}` is not built in; there are: {}", all.join(", "));
        Error::new(ErrorKind::UnknownFunction, message)
    })
}

/// The template of this function among these: the newest of the versions that are allowed.
pub(crate) fn among<'a>(
    templates: impl IntoIterator<Item = &'a Template>,
    wanted: &str,
) -> Option<&'a Template> {
    let wanted: FunctionRef = wanted.parse().ok()?;
    let allowed =
        |template: &&Template| template.function == wanted.name && wanted.version.allows(template.version);
    templates.into_iter().filter(allowed).max_by_key(|template| template.version)
}

/// The error of a name that is near to another.
fn unknown(registry: &Registry, wanted: &str) -> Option<Error> {
    let name = wanted.split('@').next().unwrap_or_default();
    let near = nearest(name, registry.templates().map(|template| template.function.as_str()))?;
    Some(missing(registry, name, &format!("; did you mean `{near}`?")))
}

fn missing(registry: &Registry, wanted: &str, hint: &str) -> Error {
    let names: Vec<_> = registry.templates().map(|template| template.function.as_str()).collect();
    let message = format!("there is no function `{}`{hint}", wanted.escape_default());
    Error::new(ErrorKind::UnknownFunction, message)
        .with_help(format!("there are: {}; `fnr functions` says what they do", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use function_runner_core::Function;

    use super::*;

    fn registry() -> Registry {
        let of = |version| Function::<u32, u32>::new("image.upscale").version(version);
        Registry::new()
            .add(of("1.0.0").implement(|_, n| async move { Ok(n) }))
            .add(of("2.1.0").implement(|_, n| async move { Ok(n) }))
    }

    #[test]
    fn the_newest_that_is_allowed_is_found() {
        let registry = registry();
        let version = |wanted| find(&registry, wanted).map(|template| template.version.to_string()).unwrap();
        assert_eq!([version("image.upscale"), version("image.upscale@1")], ["2.1.0", "1.0.0"]);
        let error = find(&registry, "image.upscale@3").unwrap_err();
        assert_eq!(error.message(), "`image.upscale@3` is not built in; there are: 1.0.0, 2.1.0");
    }

    #[test]
    fn a_name_near_to_another_says_so_even_if_it_is_no_name() {
        let registry = registry();
        for wanted in ["image.upscal", "upscale", "Image.Upscale", "image.upscal@1"] {
            let error = find(&registry, wanted).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnknownFunction);
            assert!(error.message().ends_with("; did you mean `image.upscale`?"), "{error}");
        }
        let error = find(&registry, "paint").unwrap_err();
        assert_eq!(error.message(), "there is no function `paint`");
        assert_eq!(find(&registry, "Q Q").unwrap_err().kind(), ErrorKind::InvalidCall);
    }
}
