//! Where what comes out goes: stdout, or a file that is there whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use function_runner_core::{Artifact, Error, ErrorKind, Result, Template};
use serde_json::Value;

use crate::{
    input::Given,
    shape::{self, Field},
};

/// Where the output goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// The output as JSON to stdout.
    Stdout,
    /// The output as JSON to a file.
    Json(PathBuf),
    /// The one file of the output; its artifact stands in this field, or is all of the output.
    File { path: PathBuf, field: Option<String> },
}

impl Target {
    /// Where the output of this function goes, checked before anything runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] where a path is needed and not given; [`ErrorKind::Io`] where it cannot be
    /// written.
    pub(crate) fn plan(template: &Template, path: Option<&Path>) -> Result<Self> {
        let path = path.map(writable).transpose()?;
        let mut places = places(&template.output);
        match (places.pop(), path) {
            (None, None) => Ok(Self::Stdout),
            (None, Some(path)) => Ok(Self::Json(path)),
            (Some(_), _) if !places.is_empty() => {
                let message = format!("{} gives several files and fnr writes one", template.function);
                Err(Error::new(ErrorKind::Unsupported, message).with_help("call it from a program"))
            }
            (Some(field), Some(path)) => Ok(Self::File { path, field }),
            (Some(_), None) => {
                let message = format!("{} gives a file: say where it goes", template.function);
                Err(Error::new(ErrorKind::InvalidCall, message).with_help("add -o PATH"))
            }
        }
    }

    /// The artifact of an output that goes to a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] where it is not there.
    pub(crate) fn artifact(field: Option<&str>, output: &Value) -> Result<Artifact> {
        let place = field.map_or(Some(output), |field| output.get(field));
        let artifact = place.and_then(|value| serde_json::from_value(value.clone()).ok());
        artifact.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the output has no file where its schema says"))
    }

    /// Lets the file's extension choose the output format, where the function has one to choose and the caller
    /// has not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] where the function does not write what the extension says.
    pub(crate) fn choose_format(&self, template: &Template, given: &mut Given) -> Result<()> {
        let Self::File { path, .. } = self else { return Ok(()) };
        let fields = shape::fields(&template.input);
        let format = fields.iter().find(|field| field.name == "format" && !field.allowed.is_empty());
        let (Some(format), Some(extension)) = (format, path.extension()) else { return Ok(()) };
        if !given.has_fields() || given.get("format").is_some_and(|value| !value.is_null()) {
            return Ok(());
        }
        let extension = extension.to_string_lossy().to_lowercase();
        let name = if extension == "jpg" { "jpeg" } else { &extension };
        match format.allowed.iter().find(|allowed| allowed.as_str() == Some(name)) {
            Some(format) => {
                given.set("format", format.clone());
                Ok(())
            }
            None => Err(not_written(template, format, &extension)),
        }
    }
}

fn not_written(template: &Template, format: &Field, extension: &str) -> Error {
    let formats: Vec<_> = format.allowed.iter().filter_map(Value::as_str).collect();
    let message = format!("{} does not write .{}", template.function, extension.escape_debug());
    Error::new(ErrorKind::InvalidCall, message).with_help(format!(
        "give -o a name that ends in .{}, or choose format={}",
        formats.join(" or ."),
        formats.join(" or format=")
    ))
}

/// Where an output of this schema holds files: in which fields, or as a whole.
fn places(schema: &Value) -> Vec<Option<String>> {
    if shape::is_file(schema) {
        return vec![None];
    }
    shape::fields(schema).into_iter().filter(Field::is_file).map(|field| Some(field.name)).collect()
}

/// The path with its links followed, if a file can be put there: what is there is replaced, so it has to be a file.
fn writable(path: &Path) -> Result<PathBuf> {
    let refuse = |why: &str, help: &'static str| {
        Error::new(ErrorKind::Io, format!("cannot write {}{why}", path.display())).with_help(help)
    };
    if path == Path::new("-") {
        return Err(refuse(": a file is written whole or not at all, which stdout cannot be", "give a path"));
    }
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&place) {
        Ok(there) if there.is_dir() => return Err(refuse(": it is a folder", "add a file's name")),
        Ok(there) if !there.is_file() => return Err(refuse(": it is no file", "give a file's name")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refuse("", ErrorKind::Io.remedy()).with_source(error)),
    }
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // it goes again at once: whether one can be made is all there is to know
    let probe = tempfile::Builder::new().prefix(".fnr-").tempfile_in(folder);
    match probe {
        Ok(_) => Ok(place),
        Err(error) => Err(refuse("", ErrorKind::Io.remedy()).with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use function_runner_core::{Function, Registry};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Two {
        left: Artifact,
        right: Option<Artifact>,
    }

    fn template<O: function_runner_core::Data>() -> Template {
        let function: Function<String, O> = Function::new("f");
        let body = function.implement(|_, _| async { Err("it is never run".into()) });
        Registry::new().add(body).templates().next().unwrap().clone()
    }

    #[test]
    fn where_it_goes_is_told_by_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("a");
        assert_eq!(Target::plan(&template::<u32>(), None).unwrap(), Target::Stdout);
        assert_eq!(Target::plan(&template::<u32>(), Some(&path)).unwrap(), Target::Json(path.clone()));
        let whole = Target::plan(&template::<Artifact>(), Some(&path)).unwrap();
        assert_eq!(whole, Target::File { path: path.clone(), field: None });
        assert_eq!(Target::plan(&template::<Artifact>(), None).unwrap_err().kind(), ErrorKind::InvalidCall);
        let several = Target::plan(&template::<Two>(), Some(&path)).unwrap_err();
        assert_eq!(several.kind(), ErrorKind::Unsupported);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "planning leaves nothing behind");
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for (path, words) in [
            (folder.path(), "it is a folder"),
            (Path::new("-"), "which stdout cannot be"),
            #[cfg(unix)]
            (Path::new("/dev/null"), "it is no file"),
            (&folder.path().join("missing/a.png"), "cannot write"),
        ] {
            let error = writable(path).unwrap_err();
            assert!(error.kind() == ErrorKind::Io && error.message().contains(words), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.png"), folder.path().join("link.png"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(writable(&link).unwrap(), real.canonicalize().unwrap());
    }
}
