//! What a break reads like.

use serde_json::Value;

use super::{
    super::{
        pointer::Path,
        wording::{cut, either, shown, with_article},
    },
    Side,
};

/// One thing that breaks.
#[derive(Clone, Debug)]
pub(super) struct Break {
    pointer: String,
    pub(super) depth: usize,
    pub(super) what: What,
}

/// What is given and not taken.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Values of a type.
    Type(&'static str),
    /// One value; whether it is the only one there, as a tag is.
    Value { value: Value, is_only: bool },
    /// Values that are not listed.
    Listed,
    /// Values past a limit.
    Limit { keyword: &'static str, taken: f64, given: Option<f64> },
    /// Texts that are not of a pattern or format.
    Text(&'static str, String),
    /// Objects without the field.
    Required,
    /// Objects with the field.
    Removed,
    /// Objects with these fields, as one of several forms.
    Form(Vec<String>),
    /// What a keyword says that can only be compared as it is.
    Other(String),
    /// Anything at all.
    Nothing,
    /// It is too large, or refers to itself in a way that cannot be followed.
    TooLarge,
}

impl Break {
    pub(super) fn new(path: &Path<'_>, what: What) -> Self {
        Self { pointer: path.to_string(), depth: path.depth, what }
    }

    /// Whether it is the tag of a form.
    pub(super) fn is_tag(&self) -> bool {
        matches!(self.what, What::Value { is_only: true, .. })
    }

    pub(super) fn sentence(&self, side: Side) -> String {
        let place = if self.pointer.is_empty() {
            "the whole value".to_owned()
        } else {
            format!("`{}`", self.pointer)
        };
        let (what, remedy) = match side {
            Side::Input => self.of_input(),
            Side::Output => self.of_output(),
        };
        format!("{place}: {what}; raise the major version, or {remedy}")
    }

    fn of_input(&self) -> (String, &'static str) {
        match &self.what {
            What::Type(name) => {
                (format!("{} was accepted and is refused now", with_article(name)), "keep accepting it")
            }
            What::Value { value, .. } => {
                (format!("the value {} was accepted and is refused now", shown(value)), "keep the value")
            }
            What::Listed => ("only listed values are accepted now".to_owned(), "keep accepting the others"),
            What::Limit { keyword, taken, given } => (
                format!("`{keyword}` is {taken} now and {}, so some input is refused now", was(*given)),
                "keep the limit",
            ),
            What::Text(keyword, text) => (
                format!("`{keyword}` is `{}` now, so some input is refused now", cut(text, 80)),
                "keep what is accepted",
            ),
            What::Required => (
                "the field is required now, so input without it is refused".to_owned(),
                "make the field optional",
            ),
            What::Removed => {
                ("the field is gone, so input that has it is refused".to_owned(), "keep the field")
            }
            What::Form(names) => {
                (format!("the form with {} was accepted and is refused now", fields(names)), "keep the form")
            }
            What::Other(keyword) => (incomparable(keyword), "leave it as it was"),
            What::Nothing => ("nothing is accepted any more".to_owned(), "leave it as it was"),
            What::TooLarge => (too_large(), "leave it as it was"),
        }
    }

    fn of_output(&self) -> (String, &'static str) {
        match &self.what {
            What::Type(name) => (
                format!("it may be {} now, which readers do not expect", with_article(name)),
                "keep the type",
            ),
            What::Value { value, .. } => (
                format!("it may be the new value {}, which readers do not know", shown(value)),
                "leave the value out",
            ),
            What::Listed => {
                ("it may be any value now, and readers know only some".to_owned(), "keep the list")
            }
            What::Limit { keyword, taken, given } => {
                let now =
                    given.map_or_else(|| "no longer has".to_owned(), |given| format!("has {given} for"));
                (
                    format!(
                        "it {now} its `{keyword}`, which was {taken}, so readers may get what they do not expect"
                    ),
                    "keep the limit",
                )
            }
            What::Text(keyword, text) => (
                format!("its `{keyword}` is no longer `{}`, which readers rely on", cut(text, 80)),
                "keep it",
            ),
            What::Required => {
                ("the field may be absent now, and readers rely on it".to_owned(), "keep the field")
            }
            What::Removed => {
                ("it may have the field now, which readers do not expect".to_owned(), "leave the field out")
            }
            What::Form(names) => (
                format!("it may have the form with {} now, which readers do not know", fields(names)),
                "leave the form out",
            ),
            What::Other(keyword) => (incomparable(keyword), "leave it as it was"),
            What::Nothing => ("nothing was expected here".to_owned(), "leave it as it was"),
            What::TooLarge => (too_large(), "leave it as it was"),
        }
    }
}

fn was(given: Option<f64>) -> String {
    given.map_or_else(|| "there was none".to_owned(), |given| format!("was {given}"))
}

fn fields(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", cut(name, 64))).collect();
    format!("the field {}", either(&names)).replace(" or ", " and ")
}

fn incomparable(keyword: &str) -> String {
    format!("`{}` changed, and whether that breaks cannot be told", cut(keyword, 64))
}

fn too_large() -> String {
    "the schemas are too large or refer too far to be compared".to_owned()
}
