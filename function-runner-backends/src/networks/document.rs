//! A plan as JSON, as it lies in the metadata of a network's file.
//!
//! These types are the format and nothing else; a plan is made of them and of the file's tensors. A field that this
//! version does not know is refused, for what it says would change what the network computes. So every change of the
//! format has a new number, and that is looked at first.

use serde::{Deserialize, de::IgnoredAny};
use std::collections::HashMap;

use super::{Activation, Conv, NetworkError, Plan, Plus, Tensor, TensorId};

/// The number of the format that is read.
const FORMAT: u64 = 1;

/// A plan, with names in place of numbers and places.
///
/// Numbers are read in 64 bits, so that one beyond 32 becomes infinite and is refused with its field's name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// Read before the rest; here so that it is a known field.
    #[serde(rename = "format")]
    _format: IgnoredAny,
    pub(super) scale: u32,
    pub(super) range: f64,
    pub(super) radius: u32,
    pub(super) overlap: u32,
    pub(super) tensors: Vec<TensorDocument>,
    pub(super) convs: Vec<ConvDocument>,
    pub(super) output: String,
}

/// A tensor of the plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorDocument {
    pub(super) name: String,
    pub(super) channels: usize,
}

/// A convolution; `weights`, `bias` and `slope` name tensors of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConvDocument {
    pub(super) from: Vec<String>,
    pub(super) to: String,
    pub(super) kernel: usize,
    pub(super) weights: String,
    pub(super) bias: String,
    #[serde(default)]
    pub(super) activation: ActivationDocument,
    pub(super) slope: Option<String>,
    #[serde(default = "one")]
    pub(super) times: f64,
    #[serde(default)]
    pub(super) plus: Vec<PlusDocument>,
}

/// The kinds of [`Activation`](super::Activation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ActivationDocument {
    #[default]
    None,
    Relu,
    Prelu,
}

/// A tensor that is added.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlusDocument {
    pub(super) tensor: String,
    #[serde(default = "one")]
    pub(super) times: f64,
}

impl Document {
    /// Reads the JSON of a plan.
    pub(super) fn parse(json: &str) -> Result<Self, NetworkError> {
        /// What every format of a plan has.
        #[derive(Deserialize)]
        struct Any {
            format: u64,
        }
        let Any { format } = serde_json::from_str(json).map_err(unreadable)?;
        if format != FORMAT {
            return Err(NetworkError::Format { found: format, known: FORMAT });
        }
        serde_json::from_str(json).map_err(unreadable)
    }

    /// The plan without its weights.
    pub(super) fn plan(&self) -> Result<Plan, NetworkError> {
        let ids: HashMap<&str, TensorId> = self
            .tensors
            .iter()
            .enumerate()
            .map(|(index, tensor)| (tensor.name.as_str(), TensorId(index)))
            .collect();
        let find = |field: &str, name: &str| match ids.get(name) {
            Some(id) => Ok(*id),
            None => Err(NetworkError::plan(field, format!("is {name:?}, which is not among the tensors"))),
        };
        let tensors =
            self.tensors.iter().map(|tensor| Tensor { name: tensor.name.clone(), channels: tensor.channels });
        let convs =
            self.convs.iter().enumerate().map(|(index, conv)| {
                conv.conv(&find).map_err(|error| error.inside(&format!("convs[{index}]")))
            });
        Ok(Plan {
            scale: self.scale,
            range: self.range as f32,
            radius: self.radius,
            overlap: self.overlap,
            tensors: tensors.collect(),
            convs: convs.collect::<Result<_, _>>()?,
            output: find("output", &self.output)?,
        })
    }
}

impl ConvDocument {
    fn conv(
        &self,
        find: &dyn Fn(&str, &str) -> Result<TensorId, NetworkError>,
    ) -> Result<Conv, NetworkError> {
        let from = self.from.iter().enumerate().map(|(place, name)| find(&format!("from[{place}]"), name));
        let plus = self.plus.iter().enumerate().map(|(place, plus)| {
            let tensor = find(&format!("plus[{place}].tensor"), &plus.tensor)?;
            Ok(Plus { tensor, times: plus.times as f32 })
        });
        Ok(Conv {
            from: from.collect::<Result<_, _>>()?,
            to: find("to", &self.to)?,
            kernel: self.kernel,
            weights: Vec::new(),
            bias: Vec::new(),
            activation: self.activation()?,
            times: self.times as f32,
            plus: plus.collect::<Result<_, NetworkError>>()?,
        })
    }

    fn activation(&self) -> Result<Activation, NetworkError> {
        match (self.activation, &self.slope) {
            (ActivationDocument::None, None) => Ok(Activation::None),
            (ActivationDocument::Relu, None) => Ok(Activation::Relu),
            (ActivationDocument::Prelu, Some(_)) => Ok(Activation::Prelu(Vec::new())),
            (ActivationDocument::Prelu, None) => Err(NetworkError::plan(
                "slope",
                "is missing; activation \"prelu\" needs the name of a tensor",
            )),
            (_, Some(_)) => {
                Err(NetworkError::plan("slope", "is for activation \"prelu\" only; leave it out"))
            }
        }
    }
}

fn unreadable(error: serde_json::Error) -> NetworkError {
    NetworkError::Document(error.to_string())
}

fn one() -> f64 {
    1.0
}
