//! Reading a plan and its weights from a safetensors file.
//!
//! The file may come from anywhere. Nothing of it is run, sizes are bounded before anything is allocated, and what
//! comes out keeps all rules of a [`Plan`]. Tensors are read one by one, so a file is never in memory beside the plan.

use half::f16;
use safetensors::{Dtype, tensor::Metadata, tensor::TensorInfo};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufReader, Read},
    path::Path,
};

use super::{Activation, NetworkError, Plan, document::Document};

/// The largest file that is read: 256 MiB.
const FILE: u64 = 256 << 20;

/// The largest header: 8 MiB; that of a plan with 4,096 convolutions has about 2.
const HEADER: u64 = 8 << 20;

/// Where the header begins, behind its length.
const START: u64 = 8;

/// Reads and checks the file of a network.
pub(super) fn read(path: &Path) -> Result<Plan, NetworkError> {
    // Opening something like a pipe could wait for ever.
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(NetworkError::NotAFile);
    }
    parse(BufReader::new(File::open(path)?), found.len())
}

/// Reads and checks a network from so many bytes.
pub(super) fn parse(mut from: impl Read, bytes: u64) -> Result<Plan, NetworkError> {
    if bytes > FILE {
        return Err(NetworkError::TooLarge { bytes, limit: FILE });
    }
    let header = header(&mut from, bytes)?;
    let json =
        header.metadata().as_ref().and_then(|metadata| metadata.get("plan")).ok_or(NetworkError::NoPlan)?;
    let document = Document::parse(json)?;
    let mut plan = document.plan()?;
    plan.check_structure()?;
    document.check_uses(&plan, &header)?;
    let mut numbers = numbers(&mut from, &header)?;
    for (conv, names) in plan.convs.iter_mut().zip(&document.convs) {
        let mut take = |name: &str| numbers.remove(name).unwrap_or_default();
        conv.weights = take(&names.weights);
        conv.bias = take(&names.bias);
        if let (Activation::Prelu(slope), Some(name)) = (&mut conv.activation, &names.slope) {
            *slope = take(name);
        }
    }
    plan.check()?;
    Ok(plan)
}

/// Reads what stands before the numbers.
fn header(from: &mut impl Read, bytes: u64) -> Result<Metadata, NetworkError> {
    let malformed = |what: String| Err(NetworkError::Malformed(what));
    let mut start = Vec::new();
    from.take(START + 1).read_to_end(&mut start)?;
    let [length @ .., b'{'] = start.as_slice() else {
        return match foreign(&start) {
            Some(found) => Err(NetworkError::Foreign { found }),
            None => malformed(format!("it has {bytes} bytes and does not begin with a header")),
        };
    };
    let Ok(length) = length.try_into().map(u64::from_le_bytes) else {
        return malformed(format!("it has {bytes} bytes, too few for a header"));
    };
    if length > HEADER {
        return malformed(format!("its header would have {length} bytes; at most {HEADER} are read"));
    }
    if START + length > bytes {
        return malformed(format!("it has {bytes} bytes and ends within its header"));
    }
    let mut header = vec![b'{'];
    from.take(length.saturating_sub(1)).read_to_end(&mut header)?;
    let header: Metadata = match serde_json::from_slice(&header) {
        Ok(header) => header,
        Err(error) => return malformed(format!("its header cannot be read: {error}")),
    };
    let said = (START + length).checked_add(header.data_len() as u64);
    if said != Some(bytes) {
        let said = said.unwrap_or(u64::MAX);
        return malformed(format!("it has {bytes} bytes and its header says {said}"));
    }
    Ok(header)
}

/// What a file is that is not safetensors, told from its first bytes.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some("a zip archive (PyTorch's .pth files are such)"),
        [0x80, 2..=5, ..] => Some("a Python pickle, which is never read because it can run code"),
        [0x1f, 0x8b, ..] => Some("a gzip archive"),
        [b'G', b'G', b'U', b'F', ..] => Some("a GGUF file"),
        [0x89, b'H', b'D', b'F', ..] => Some("an HDF5 file"),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => Some("a Git LFS pointer"),
        [b'<', ..] => Some("a web page"),
        [b'{' | b'[', ..] => Some("JSON"),
        _ => None,
    }
}

impl Document {
    /// Whether the file holds exactly what the plan uses, in the right shapes.
    fn check_uses(&self, plan: &Plan, header: &Metadata) -> Result<(), NetworkError> {
        let mut held = header.tensors();
        let mut used = |field: String, name: &str, shape: &[usize]| match held.remove(name) {
            Some(info) => check_info(info, shape)
                .map_err(|why| NetworkError::plan(field, format!("is {name:?}, which {why}"))),
            None => {
                // Also what keeps a small file from becoming a large plan: no tensor is used twice.
                let why = if header.info(name).is_some() { "is used before" } else { "is not in the file" };
                Err(NetworkError::plan(
                    field,
                    format!("is {name:?}, which {why}; each needs a tensor of the file"),
                ))
            }
        };
        for (index, (names, conv)) in self.convs.iter().zip(&plan.convs).enumerate() {
            let shape = plan.shape(conv);
            used(format!("convs[{index}].weights"), &names.weights, &shape)?;
            used(format!("convs[{index}].bias"), &names.bias, &shape[..1])?;
            if let Some(slope) = &names.slope {
                used(format!("convs[{index}].slope"), slope, &shape[..1])?;
            }
        }
        match held.keys().min() {
            Some(name) => {
                Err(NetworkError::plan("convs", format!("do not use {name:?}, which is in the file")))
            }
            None => Ok(()),
        }
    }
}

fn check_info(info: &TensorInfo, shape: &[usize]) -> Result<(), String> {
    if !matches!(info.dtype, Dtype::F16 | Dtype::F32) {
        return Err(format!("has numbers of type {:?}; F16 and F32 are read", info.dtype));
    }
    if info.shape != shape {
        return Err(format!("has shape {:?}; it must have {shape:?}", info.shape));
    }
    Ok(())
}

/// Reads all tensors, in the order in which they lie in the file.
fn numbers(from: &mut impl Read, header: &Metadata) -> Result<HashMap<String, Vec<f32>>, NetworkError> {
    let mut all = HashMap::new();
    for name in header.offset_keys() {
        // Every key has its entry, and what each says of its length was checked with the header.
        let Some(info) = header.info(&name) else { continue };
        let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
        from.read_exact(&mut bytes)?;
        let numbers: Vec<f32> = match info.dtype {
            Dtype::F16 => {
                bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
            }
            _ => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        };
        all.insert(name, numbers);
    }
    Ok(all)
}
