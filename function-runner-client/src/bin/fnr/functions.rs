//! `fnr functions`: what can be run, and one function in full.

use function_runner_core::{Example, Quality, Registry, Result, Template};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    headline, known,
    layout::{paragraph, quoted, table},
    out,
    shape::{self, Field},
};

/// Show the functions that can be run, or one in full.
///
/// With --json it prints their templates: names, versions, schemas, qualities, needs and examples.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show this one in full: what it does, its qualities, its fields, an example.
    name: Option<String>,
}

/// Shows what there is.
///
/// # Errors
///
/// [`ErrorKind::UnknownFunction`](function_runner_core::ErrorKind::UnknownFunction) with the nearest name.
pub(crate) fn show(registry: &Registry, args: &Args, json: bool) -> Result<Exit> {
    let templates: Vec<_> = match &args.name {
        Some(name) => vec![known::find(registry, name)?],
        None => registry.templates().collect(),
    };
    if json {
        templates.iter().try_for_each(|template| out::document(&json!(template)))?;
    } else if args.name.is_some() {
        templates.iter().try_for_each(|template| out::line(&in_full(template)))?;
    } else {
        out::line(&list(&templates))?;
    }
    Ok(Exit::Succeeded)
}

fn list(templates: &[&Template]) -> String {
    let mut rows: Vec<_> = templates
        .iter()
        .map(|template| {
            let (name, version) = (template.function.to_string(), template.version.to_string());
            vec![name, version, qualities(template), template.title.clone()]
        })
        .collect();
    rows.insert(0, ["function", "version", "qualities", "what it does"].map(str::to_owned).to_vec());
    table(&rows, 0)
}

fn qualities(template: &Template) -> String {
    let names: Vec<_> = template.qualities().into_iter().map(Quality::to_string).collect();
    if names.is_empty() { "any".to_owned() } else { names.join(", ") }
}

fn in_full(template: &Template) -> String {
    let mut parts = vec![format!("{} {} · {}", template.function, template.version, template.title)];
    if !template.description.is_empty() {
        parts.push(paragraph(&template.description));
    }
    parts.push(format!("qualities\n{}", table(&quality_rows(template), 2)));
    for (what, schema) in [("input", &template.input), ("output", &template.output)] {
        let rows: Vec<_> =
            shape::fields(schema).iter().map(|field| field_row(field, what == "input")).collect();
        parts.push(match rows.is_empty() {
            true => format!("{what}\n  {schema}"),
            false => format!("{what}\n{}", table(&rows, 2)),
        });
    }
    parts.extend(template.examples.iter().map(|example| example_in_full(template, example)));
    parts.join("\n\n")
}

fn quality_rows(template: &Template) -> Vec<Vec<String>> {
    let standard = [&Quality::Standard];
    let mut qualities = template.qualities();
    if qualities.is_empty() {
        qualities.extend(standard);
    }
    let row = |quality: &Quality| {
        let parameters = headline::words(&template.parameters_at(quality));
        vec![quality.to_string(), parameters, format!("needs {}", template.requires_at(quality))]
    };
    qualities.into_iter().map(row).collect()
}

/// Name, type, what is allowed, whether it is needed, what it is; of an output only those that say something.
fn field_row(field: &Field, is_input: bool) -> Vec<String> {
    let mut row = vec![field.name.clone(), field.types.join(" or "), allowed(field)];
    if is_input {
        row.push(match (&field.default, field.required) {
            (Some(default), _) => format!("default {}", plain(default)),
            (None, true) => "required".to_owned(),
            (None, false) => "optional".to_owned(),
        });
    }
    row.push(field.description.clone());
    row
}

fn allowed(field: &Field) -> String {
    if !field.allowed.is_empty() {
        return field.allowed.iter().map(plain).collect::<Vec<_>>().join(", ");
    }
    match &field.range {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("from {least}"),
        (None, Some(most)) => format!("up to {most}"),
        (None, None) => String::new(),
    }
}

/// A value as it is written behind `key=`.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn example_in_full(template: &Template, example: &Example) -> String {
    format!("example: {}\n  {}\n  {}", example.title, command(template, &example.input), example.input)
}

/// The line that runs this input.
fn command(template: &Template, input: &Value) -> String {
    let mut line = format!("fnr run {}", template.function);
    let fields = shape::fields(&template.input);
    match input.as_object() {
        Some(given) if !fields.is_empty() => {
            let known = fields.iter().filter_map(|field| Some((field, given.get(&field.name)?)));
            for (field, value) in known.filter(|(field, value)| !is_left_out(field, value)) {
                line.push(' ');
                line.push_str(&argument(field, value));
            }
        }
        _ => line.push_str(&format!(" --input {}", quoted(&input.to_string()))),
    }
    if shape::is_file(&template.output) || shape::fields(&template.output).iter().any(Field::is_file) {
        let format =
            fields.iter().find(|field| field.name == "format").and_then(|field| field.allowed.first());
        let extension = format.and_then(Value::as_str).map(|name| format!(".{name}")).unwrap_or_default();
        line.push_str(&format!(" -o result{extension}"));
    }
    line
}

fn is_left_out(field: &Field, value: &Value) -> bool {
    value.is_null() || field.default.as_ref() == Some(value)
}

fn argument(field: &Field, value: &Value) -> String {
    let name = &field.name;
    if field.is_file() {
        let file = value.get("name").and_then(Value::as_str).unwrap_or("FILE");
        return quoted(&format!("{name}=@{file}"));
    }
    match value {
        Value::String(text) if field.is_text() => quoted(&format!("{name}={text}")),
        _ if field.is_text() => quoted(&format!("{name}:={value}")),
        _ => quoted(&format!("{name}={value}")),
    }
}

#[cfg(test)]
mod tests {
    use function_runner_backends::functions::registry;
    use function_runner_core::Function;

    use super::*;

    #[test]
    fn a_function_in_full_says_all_that_a_caller_needs() {
        let registry = registry();
        let text = in_full(known::find(&registry, "image.upscale").unwrap());
        for part in [
            "image.upscale 1.1.0 · Make an image larger",
            "\n  draft     art lanczos, photo bilinear  ",
            "  needs 2 cores, 800 MiB of memory, or else 1",
            "\n  image   file                 required       A PNG, JPEG or WebP",
            "\n  factor  integer  2, 4        default 2      How many times",
            "\n  style   text     photo, art  default photo  What kind",
            "\n  format  text     png, jpeg   optional       What to write",
            "\n  fnr run image.upscale image=@sample.png factor=4 -o result.png\n  {\"",
        ] {
            assert!(text.contains(part), "{text}\nlacks {part}");
        }
    }

    #[test]
    fn an_input_that_is_no_object_is_given_as_a_whole() {
        const GREET: Function<String, String> = Function::new("greet");
        let greet = GREET.implement(|_, name| async move { Ok(name) }).example("a friend", "it's Ada");
        let registry = Registry::new().add(greet);
        let text = in_full(known::find(&registry, "greet").unwrap());
        assert!(text.contains(r#"  fnr run greet --input '"it'\''s Ada"'"#), "{text}");
        assert!(list(&registry.templates().collect::<Vec<_>>()).contains("greet     1.0.0    any"));
    }
}
