//! What goes in: `--input`, and `key=value` read by the function's schema.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
};

use function_runner_client::Runner;
use function_runner_core::{Error, ErrorKind, MAX_PAYLOAD, Result, Template, schema};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::shape::{self, Field};

/// The input as it was given, with the files that are still to be uploaded.
#[derive(Debug, PartialEq)]
pub(crate) struct Given {
    value: Value,
    /// Which field gets which file.
    files: Vec<(String, PathBuf)>,
}

impl Given {
    /// The value of this field, if it was given and is no file.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.value.get(field)
    }

    /// The file that this field gets, if it gets one.
    pub(crate) fn file(&self, field: &str) -> Option<&Path> {
        self.files.iter().find(|(name, _)| name == field).map(|(_, path)| path.as_path())
    }

    /// Gives a field that was not given.
    pub(crate) fn set(&mut self, field: &str, value: Value) {
        if let Value::Object(fields) = &mut self.value {
            fields.insert(field.to_owned(), value);
        }
    }

    /// Whether it is an object of fields.
    pub(crate) fn has_fields(&self) -> bool {
        self.value.is_object()
    }

    /// Uploads the files and puts their artifacts in their places.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where a file cannot be read or kept.
    pub(crate) async fn upload(mut self, runner: &Runner) -> Result<Value> {
        for (field, path) in std::mem::take(&mut self.files) {
            if path.is_dir() {
                return Err(Error::new(ErrorKind::Io, format!("{field}: {} is a folder", path.display()))
                    .with_help("give a file"));
            }
            let artifact = runner.upload(&path).await?;
            self.set(&field, json!(artifact));
        }
        Ok(self.value)
    }
}

/// Reads the input: the fields over what `--input` gives.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`] for what is no `key=value`; [`ErrorKind::InvalidInput`] for what is no JSON;
/// [`ErrorKind::TooLarge`]; [`ErrorKind::Io`].
pub(crate) async fn read(template: &Template, whole: Option<&str>, fields: &[String]) -> Result<Given> {
    let base = match whole {
        Some(source) => read_whole(template, source).await?,
        None => json!({}),
    };
    let mut given = Given { value: base, files: Vec::new() };
    if !fields.is_empty() && !given.has_fields() {
        return Err(Error::new(
            ErrorKind::InvalidCall,
            "what --input gives is no object, so it takes no fields",
        )
        .with_help("give the whole input by --input, or an object and fields over it"));
    }
    let known = shape::fields(&template.input);
    let mut seen = Vec::new();
    for argument in fields {
        let (key, how) = split(argument, &known)?;
        if seen.contains(&key) {
            return Err(Error::new(ErrorKind::InvalidCall, format!("{key} is given twice"))
                .with_help(format!("for a list write {key}:='[…]'")));
        }
        seen.push(key);
        put(&mut given, known.iter().find(|field| field.name == key), key, how)?;
    }
    Ok(given)
}

/// What stands behind a key.
#[derive(Clone, Copy, Debug)]
enum How<'a> {
    Text(&'a str),
    Json(&'a str),
}

/// `key=value` and `key:=json`.
fn split<'a>(argument: &'a str, known: &[Field]) -> Result<(&'a str, How<'a>)> {
    let parts = argument.split_once('=').map(|(key, value)| match key.strip_suffix(':') {
        Some(key) => (key, How::Json(value)),
        None => (key, How::Text(value)),
    });
    parts.filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
        let message = format!("`{}` is not key=value", argument.escape_debug());
        let file = known.iter().find(|field| field.is_file() && Path::new(argument).is_file());
        let help = match file {
            Some(field) => format!("to give the file write {}=@{argument}", field.name),
            None => "write key=value, key:=json, or key=@path for a file".to_owned(),
        };
        Error::new(ErrorKind::InvalidCall, message).with_help(help)
    })
}

/// Puts one field in. What the function does not know goes in as it stands, and is told when all is checked.
fn put(given: &mut Given, field: Option<&Field>, key: &str, how: How<'_>) -> Result<()> {
    let value = match (how, field) {
        (How::Json(text), _) => schema::parse(text.as_bytes()).map_err(|error| {
            let mut faults = error.faults().to_vec();
            faults.iter_mut().for_each(|fault| fault.pointer = format!("/{}", pointer_part(key)));
            Error::of_faults(format!("{key}:= takes JSON"), faults)
                .with_help(format!("write {key}=… for text as it stands"))
        })?,
        (How::Text(text), Some(field)) if field.is_file() => match text.strip_prefix('@') {
            Some(path) => {
                given.files.push((key.to_owned(), path.into()));
                return Ok(());
            }
            None => schema::parse(text.as_bytes()).map_err(|_| {
                let message = format!("{key} takes a file, and `{}` is no artifact", text.escape_debug());
                Error::new(ErrorKind::InvalidCall, message).with_help(format!("write {key}=@{text}"))
            })?,
        },
        (How::Text(text), Some(field)) if field.is_text() => text.into(),
        (How::Text(text), _) => schema::parse(text.as_bytes()).unwrap_or_else(|_| text.into()),
    };
    given.set(key, value);
    Ok(())
}

fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

async fn read_whole(template: &Template, source: &str) -> Result<Value> {
    let bytes = match source.strip_prefix('@') {
        _ if source == "-" => in_thread(|| bounded(io::stdin())).await,
        Some(path) => {
            let path = PathBuf::from(path);
            in_thread(move || bounded(File::open(path)?)).await
        }
        None => Ok(source.as_bytes().to_vec()),
    };
    let bytes = bytes.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot read --input {}", source.escape_debug())).with_source(error)
    })?;
    if bytes.len() > MAX_PAYLOAD {
        let message = format!("the input is over the limit of {} MiB", MAX_PAYLOAD >> 20);
        return Err(
            Error::new(ErrorKind::TooLarge, message).with_help("give what is large as a file: key=@path")
        );
    }
    schema::parse(&bytes).map_err(|error| {
        let message = format!("the input of `{}` is not JSON that can be read", template.function);
        Error::of_faults(message, error.faults().to_vec())
            .with_help("--input takes JSON, @FILE or - for stdin")
    })
}

/// Reads all of it, and one byte more than there may be.
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_PAYLOAD as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// In a thread of its own, for which nobody waits at the end: a pipe may never say anything.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, waiting) = oneshot::channel();
    // whoever waited has gone when this cannot be sent
    thread::Builder::new().spawn(move || drop(done.send(work())))?;
    waiting.await.unwrap_or_else(|_| Err(io::Error::other("the reader was given up")))
}

#[cfg(test)]
mod tests {
    use function_runner_backends::functions::registry;

    use super::*;

    async fn read(whole: Option<&str>, fields: &[&str]) -> Result<Given> {
        let registry = registry();
        let fields: Vec<_> = fields.iter().map(|&field| field.to_owned()).collect();
        super::read(registry.templates().next().unwrap(), whole, &fields).await
    }

    #[tokio::test]
    async fn values_are_read_by_the_fields_type() {
        let given = read(None, &["image=@a=b.png", "factor=4", "style=4", "deep:=[1,2]"]).await.unwrap();
        assert_eq!(given.value, json!({ "factor": 4, "style": "4", "deep": [1, 2] }));
        assert_eq!(given.files, [("image".to_owned(), PathBuf::from("a=b.png"))]);
        let given = read(None, &["factor=four", "style:=null", "other=@x", "more=true"]).await.unwrap();
        assert_eq!(given.value, json!({ "factor": "four", "style": null, "other": "@x", "more": true }));
        assert!(given.files.is_empty(), "an unknown field uploads nothing");
    }

    #[tokio::test]
    async fn fields_stand_over_the_whole() {
        let given = read(Some(r#"{"factor": 2, "style": "art"}"#), &["factor=4"]).await.unwrap();
        assert_eq!(given.value, json!({ "factor": 4, "style": "art" }));
        let error = read(Some("[1]"), &["factor=4"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCall);
        assert_eq!(read(Some("[1]"), &[]).await.unwrap().value, json!([1]));
    }

    #[tokio::test]
    async fn what_is_no_field_says_how_it_is_written() {
        for (argument, message, help) in [
            ("factor", "`factor` is not key=value", "write key=value, key:=json, or key=@path for a file"),
            ("=4", "`=4` is not key=value", "write key=value, key:=json, or key=@path for a file"),
            ("Cargo.toml", "`Cargo.toml` is not key=value", "to give the file write image=@Cargo.toml"),
            ("image=a.png", "image takes a file, and `a.png` is no artifact", "write image=@a.png"),
            ("factor:=four", "factor:= takes JSON", "write factor=… for text as it stands"),
        ] {
            let error = read(None, &[argument]).await.unwrap_err();
            assert_eq!((error.message(), error.remedy()), (message, help));
        }
        let error = read(None, &["factor=2", "factor:=4"]).await.unwrap_err();
        assert_eq!(error.message(), "factor is given twice");
    }

    #[tokio::test]
    async fn a_whole_that_is_too_deep_or_too_large_is_refused() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let error = read(Some(&deep), &[]).await.unwrap_err();
        assert!(error.message().ends_with("is not JSON that can be read") && error.faults().len() == 1);
        let large = " ".repeat(MAX_PAYLOAD + 1);
        assert_eq!(read(Some(&large), &[]).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let error = read(Some("@no/such/file"), &[]).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "cannot read --input @no/such/file"));
    }
}
