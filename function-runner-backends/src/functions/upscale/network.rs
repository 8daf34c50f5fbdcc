//! How an image may be enlarged, and which model that takes at which factor.

use serde::{Deserialize, Serialize};

use super::{
    filter::{Factor, Filter},
    halve::Halving,
};

/// How an image is enlarged: the value of the presets' parameters `photo` and `art`.
///
/// | value | twice | four times |
/// |---|---|---|
/// | `bilinear`, `lanczos` | the filter | the filter |
/// | `slim` | `esrgan-slim-x2` | `esrgan-slim-x4` |
/// | `medium` | `esrgan-medium-x2` | `esrgan-medium-x4` |
/// | `thick`, `thick-ensemble` | `esrgan-thick-x4`, halved by Lanczos | `esrgan-thick-x4` |
/// | `animevideo` | `realesr-animevideov3-x4`, halved by a bicubic filter | `realesr-animevideov3-x4` |
///
/// On photos `thick` measures better than Lanczos at both factors, the others at none: at twice by 0.46 dB of PSNR over
/// three photos, at four times by 0.22 dB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Network {
    /// From the nearest 2 × 2 pixels.
    Bilinear,
    /// From the nearest 6 × 6 pixels, by the windowed sinc with three lobes.
    Lanczos,
    /// A small network, for photos in a hurry; its traces are a faint grid.
    Slim,
    /// A network between the small and the large one.
    Medium,
    /// The large network: the best for photos.
    Thick,
    /// The mean of the large network's results for the image flipped and turned in all eight ways.
    ThickEnsemble,
    /// A network for drawings: clean lines, flat colours.
    Animevideo,
}

/// How a network serves a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Way {
    /// By a filter, which takes no model.
    Filtered(Filter),
    /// By a model.
    Rendered(Rendering),
}

/// The use of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rendering {
    /// The model's name, as `fnr models` lists it.
    pub model: &'static str,
    /// Whether it is run for all eight ways to flip and turn a tile, and the mean is taken.
    pub ensemble: bool,
    /// How the model's result is halved where it is twice too large.
    pub(super) halving: Option<Halving>,
}

impl Network {
    /// How it serves this factor.
    #[must_use]
    pub fn way(self, factor: Factor) -> Way {
        let model = |model| Way::Rendered(Rendering { model, ensemble: false, halving: None });
        let halving = |halving| (factor == Factor::Two).then_some(halving);
        match (self, factor) {
            (Self::Bilinear, _) => Way::Filtered(Filter::Bilinear),
            (Self::Lanczos, _) => Way::Filtered(Filter::Lanczos3),
            (Self::Slim, Factor::Two) => model("esrgan-slim-x2"),
            (Self::Slim, Factor::Four) => model("esrgan-slim-x4"),
            (Self::Medium, Factor::Two) => model("esrgan-medium-x2"),
            (Self::Medium, Factor::Four) => model("esrgan-medium-x4"),
            (Self::Thick | Self::ThickEnsemble, _) => Way::Rendered(Rendering {
                model: "esrgan-thick-x4",
                ensemble: self == Self::ThickEnsemble,
                halving: halving(Halving::Lanczos),
            }),
            (Self::Animevideo, _) => Way::Rendered(Rendering {
                model: "realesr-animevideov3-x4",
                ensemble: false,
                halving: halving(Halving::Bicubic),
            }),
        }
    }

    /// MiB of memory that a task holds at most, whatever the image: what [`enlarge`](super::enlarge()) says for
    /// filters; for models the tiles are chosen so that all stays below it.
    #[must_use]
    pub const fn memory_mib(self) -> u64 {
        match self {
            Self::Thick | Self::ThickEnsemble => 1024,
            _ => 800,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: [Network; 7] = [
        Network::Bilinear,
        Network::Lanczos,
        Network::Slim,
        Network::Medium,
        Network::Thick,
        Network::ThickEnsemble,
        Network::Animevideo,
    ];

    #[test]
    fn names_are_what_presets_say() {
        let names = ["bilinear", "lanczos", "slim", "medium", "thick", "thick-ensemble", "animevideo"];
        for (network, name) in ALL.into_iter().zip(names) {
            assert_eq!(serde_json::to_value(network).unwrap(), json!(name));
        }
    }

    #[test]
    fn a_model_is_halved_where_it_makes_too_much() {
        for (network, factor) in
            ALL.into_iter().flat_map(|network| [(network, Factor::Two), (network, Factor::Four)])
        {
            let Way::Rendered(rendering) = network.way(factor) else { continue };
            let scale: u32 = rendering.model.rsplit_once("-x").unwrap().1.parse().unwrap();
            let halved = if rendering.halving.is_some() { 2 } else { 1 };
            assert_eq!(scale, factor.times() * halved, "{network:?}");
        }
    }
}
