//! The rules that a plan keeps, so that whoever runs it need not ask.

use super::{Activation, Conv, NetworkError, Plan, TensorId};

/// The most convolutions of a plan.
const CONVS: usize = 4096;

/// The most tensors: each convolution writes one, and one is the input.
const TENSORS: usize = CONVS + 1;

/// The most channels of a tensor.
const CHANNELS: usize = 1024;

/// The largest scale.
const SCALE: u32 = 8;

/// The farthest that so many convolutions can see.
const RADIUS: u32 = 2 * CONVS as u32;

/// The most tensors that are read by one convolution.
const FROM: usize = 64;

/// The most numbers that weights become when they are prepared: 64 for each pair of channels, 2 GiB in all.
const PREPARED: usize = 1 << 29;

/// The most tensors that are added to one result.
const PLUS: usize = 8;

/// The longest name of a tensor, in bytes.
const NAME: usize = 200;

impl Plan {
    /// Whether the plan keeps all rules: those of its fields' documentation, and finite numbers everywhere.
    ///
    /// A plan that was read from a file keeps them; this is for one that was changed afterwards.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Plan`], which names the first field that is wrong, its fault and what is allowed.
    pub fn check(&self) -> Result<(), NetworkError> {
        self.check_structure()?;
        for (index, conv) in self.convs.iter().enumerate() {
            let field = |name: &str| format!("convs[{index}].{name}");
            let out = self.channels(conv.to);
            let all = self.shape(conv).iter().product();
            check_numbers(&conv.weights, all).map_err(|fault| NetworkError::plan(field("weights"), fault))?;
            check_numbers(&conv.bias, out).map_err(|fault| NetworkError::plan(field("bias"), fault))?;
            if let Activation::Prelu(slope) = &conv.activation {
                check_numbers(slope, out).map_err(|fault| NetworkError::plan(field("slope"), fault))?;
            }
        }
        Ok(())
    }

    /// All rules but those of the weights.
    pub(super) fn check_structure(&self) -> Result<(), NetworkError> {
        if !(1..=SCALE).contains(&self.scale) {
            return fault("scale", format!("is {}; it must be 1 to {SCALE}", self.scale));
        }
        if !(self.range.is_normal() && self.range > 0.0 && self.range.recip().is_normal()) {
            return fault("range", format!("is {}; it must be a number above 0", self.range));
        }
        self.check_tensors()?;
        self.check_convs()?;
        self.check_output()?;
        self.check_reach()
    }

    /// The shape of a convolution's weights: out, in, rows, columns.
    pub(super) fn shape(&self, conv: &Conv) -> [usize; 4] {
        let input = conv.from.iter().map(|from| self.channels(*from)).sum();
        [self.channels(conv.to), input, conv.kernel, conv.kernel]
    }

    fn check_tensors(&self) -> Result<(), NetworkError> {
        if self.tensors.len() > TENSORS {
            return fault(
                "tensors",
                format!("has {} entries; at most {TENSORS} are allowed", self.tensors.len()),
            );
        }
        let mut names = std::collections::HashSet::new();
        for (index, tensor) in self.tensors.iter().enumerate() {
            let field = |name: &str| format!("tensors[{index}].{name}");
            if tensor.name.is_empty() || tensor.name.len() > NAME {
                return fault(
                    field("name"),
                    format!("has {} bytes; it must have 1 to {NAME}", tensor.name.len()),
                );
            }
            if !names.insert(&tensor.name) {
                return fault(
                    field("name"),
                    format!("is {:?}, as another tensor's; names must differ", tensor.name),
                );
            }
            if !(1..=CHANNELS).contains(&tensor.channels) {
                return fault(
                    field("channels"),
                    format!("is {}; it must be 1 to {CHANNELS}", tensor.channels),
                );
            }
        }
        match self.tensors.first() {
            None => fault("tensors", "is empty; the first tensor must be the input"),
            Some(input) if input.channels != 3 => {
                fault("tensors[0].channels", format!("is {}; the input must have 3", input.channels))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_convs(&self) -> Result<(), NetworkError> {
        if self.convs.is_empty() || self.convs.len() > CONVS {
            return fault("convs", format!("has {} entries; it must have 1 to {CONVS}", self.convs.len()));
        }
        let mut written = vec![false; self.tensors.len()];
        written[0] = true;
        for (index, conv) in self.convs.iter().enumerate() {
            self.check_conv(conv, &mut written).map_err(|error| error.inside(&format!("convs[{index}]")))?;
        }
        let inputs = |conv: &Conv| conv.from.iter().map(|from| self.channels(*from)).sum::<usize>();
        let pairs: usize =
            self.convs.iter().map(|conv| inputs(conv) * self.channels(conv.to).next_multiple_of(32)).sum();
        if pairs > PREPARED / 64 {
            return fault(
                "convs",
                format!("have {pairs} pairs of channels; at most {} are run", PREPARED / 64),
            );
        }
        match written.iter().position(|written| !written) {
            Some(never) => fault(format!("tensors[{never}]"), "is written by no convolution; leave it out"),
            None => Ok(()),
        }
    }

    fn check_conv(&self, conv: &Conv, written: &mut [bool]) -> Result<(), NetworkError> {
        if ![1, 3, 5].contains(&conv.kernel) {
            return fault("kernel", format!("is {}; it must be 1, 3 or 5", conv.kernel));
        }
        if conv.from.is_empty() || conv.from.len() > FROM {
            return fault("from", format!("has {} entries; it must have 1 to {FROM}", conv.from.len()));
        }
        for (place, from) in conv.from.iter().enumerate() {
            self.check_read(*from, written).map_err(|error| error.inside(&format!("from[{place}]")))?;
        }
        if conv.plus.len() > PLUS {
            return fault("plus", format!("has {} entries; at most {PLUS} are allowed", conv.plus.len()));
        }
        for (place, plus) in conv.plus.iter().enumerate() {
            let here = format!("plus[{place}]");
            self.check_read(plus.tensor, written).map_err(|error| error.inside(&format!("{here}.tensor")))?;
            check_finite(plus.times).map_err(|error| error.inside(&format!("{here}.times")))?;
        }
        check_finite(conv.times).map_err(|error| error.inside("times"))?;
        let Some(seen) = written.get_mut(conv.to.0) else {
            return fault("to", "is no tensor of the plan");
        };
        if std::mem::replace(seen, true) {
            let what = if conv.to.0 == 0 { "the input" } else { "written before" };
            return fault("to", format!("is {what}; each convolution must write a tensor of its own"));
        }
        self.check_added(conv)
    }

    /// What is added has the channels of what it is added to.
    fn check_added(&self, conv: &Conv) -> Result<(), NetworkError> {
        let out = self.channels(conv.to);
        for (place, plus) in conv.plus.iter().enumerate() {
            let added = self.channels(plus.tensor);
            if added != out {
                let why = format!("has {added} channels; what it is added to has {out}");
                return fault(format!("plus[{place}].tensor"), why);
            }
        }
        Ok(())
    }

    fn check_read(&self, tensor: TensorId, written: &[bool]) -> Result<(), NetworkError> {
        match written.get(tensor.0) {
            None => fault("", "is no tensor of the plan"),
            Some(false) => {
                let name = &self.tensors[tensor.0].name;
                fault("", format!("is {name:?}, which is written by no convolution before"))
            }
            Some(true) => Ok(()),
        }
    }

    fn check_output(&self) -> Result<(), NetworkError> {
        let channels = match self.tensors.get(self.output.0) {
            None => return fault("output", "is no tensor of the plan"),
            Some(_) if self.output.0 == 0 => {
                return fault("output", "is the input; it must be written by a convolution");
            }
            Some(tensor) => tensor.channels,
        };
        let needed = 3 * (self.scale * self.scale) as usize;
        if channels != needed {
            let why = format!("has {channels} channels; scale {} needs 3 · scale² = {needed}", self.scale);
            return fault("output", why);
        }
        Ok(())
    }

    fn check_reach(&self) -> Result<(), NetworkError> {
        let reach = self.reach();
        if self.radius < reach || self.radius > RADIUS {
            let why = format!(
                "is {}; the convolutions see {reach} pixels far, so it must be {reach} to {RADIUS}",
                self.radius
            );
            return fault("radius", why);
        }
        if self.overlap > self.radius {
            let why = format!("is {}; it must be at most the radius, {}", self.overlap, self.radius);
            return fault("overlap", why);
        }
        Ok(())
    }

    /// How many pixels away a pixel of the input can change one of the output.
    pub(super) fn reach(&self) -> u32 {
        let mut reach = vec![0; self.tensors.len()];
        for conv in &self.convs {
            let read = conv.from.iter().map(|from| reach[from.0]).max().unwrap_or(0);
            let added = conv.plus.iter().map(|plus| reach[plus.tensor.0]).max().unwrap_or(0);
            reach[conv.to.0] = added.max(read + (conv.kernel as u32 - 1) / 2);
        }
        reach[self.output.0]
    }
}

impl NetworkError {
    /// The same within a part of the plan.
    pub(super) fn inside(self, part: &str) -> Self {
        match self {
            Self::Plan { field, fault } if field.is_empty() => Self::Plan { field: part.to_owned(), fault },
            Self::Plan { field, fault } => Self::Plan { field: format!("{part}.{field}"), fault },
            other => other,
        }
    }
}

fn fault<T>(field: impl Into<String>, fault: impl Into<String>) -> Result<T, NetworkError> {
    Err(NetworkError::plan(field, fault))
}

fn check_finite(number: f32) -> Result<(), NetworkError> {
    if number.is_finite() { Ok(()) } else { fault("", format!("is {number}; it must be a finite number")) }
}

/// Whether there are so many numbers, all finite; else what is wrong.
fn check_numbers(numbers: &[f32], count: usize) -> Result<(), String> {
    if numbers.len() != count {
        return Err(format!("has {} numbers; it must have {count}", numbers.len()));
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(place) => Err(format!("has {} at place {place}; all numbers must be finite", numbers[place])),
        None => Ok(()),
    }
}
