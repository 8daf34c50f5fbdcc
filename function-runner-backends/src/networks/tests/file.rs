//! Files: what is written is read, and what is wrong is refused by name.

use half::f16;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::{collections::HashMap, io::Cursor, io::Write};

use crate::networks::{Activation, NetworkError, Plan, TensorId, direct, file, random};

/// A tensor of a file: its type, its shape and its bytes.
type Numbers = (Dtype, Vec<usize>, Vec<u8>);

/// A file before it is written: its plan and its tensors.
#[derive(Clone)]
struct Draft {
    plan: Value,
    tensors: HashMap<String, Numbers>,
}

impl Draft {
    /// Three convolutions of all kinds, at scale 2.
    fn new() -> Self {
        let plan = json!({
            "format": 1, "scale": 2, "range": 255.0, "radius": 3, "overlap": 2,
            "tensors": [
                {"name": "input", "channels": 3}, {"name": "a", "channels": 4}, {"name": "b", "channels": 4},
                {"name": "out", "channels": 12},
            ],
            "convs": [
                {"from": ["input"], "to": "a", "kernel": 3, "weights": "a.weight", "bias": "a.bias",
                 "activation": "prelu", "slope": "a.slope"},
                {"from": ["input", "a"], "to": "b", "kernel": 5, "weights": "b.weight", "bias": "b.bias",
                 "activation": "relu", "times": 0.2, "plus": [{"tensor": "a", "times": 0.5}, {"tensor": "a"}]},
                {"from": ["b"], "to": "out", "kernel": 1, "weights": "out.weight", "bias": "out.bias"},
            ],
            "output": "out",
        });
        let mut draft = Self { plan, tensors: HashMap::new() };
        draft.halves("a.weight", &[4, 3, 3, 3]);
        draft.floats("a.bias", &[4]);
        draft.floats("a.slope", &[4]);
        draft.halves("b.weight", &[4, 7, 5, 5]);
        draft.halves("b.bias", &[4]);
        draft.floats("out.weight", &[12, 4, 1, 1]);
        draft.floats("out.bias", &[12]);
        draft
    }

    fn halves(&mut self, name: &str, shape: &[usize]) {
        let bytes = numbers(shape).iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect();
        self.tensors.insert(name.to_owned(), (Dtype::F16, shape.to_vec(), bytes));
    }

    fn floats(&mut self, name: &str, shape: &[usize]) {
        let bytes = numbers(shape).iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensors.insert(name.to_owned(), (Dtype::F32, shape.to_vec(), bytes));
    }

    /// Puts a value at a JSON pointer of the plan.
    fn set(mut self, pointer: &str, value: Value) -> Self {
        *self.plan.pointer_mut(pointer).expect("the pointer leads somewhere") = value;
        self
    }

    /// Adds a field to an object of the plan.
    fn add(mut self, pointer: &str, name: &str, value: Value) -> Self {
        self.plan.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let metadata = HashMap::from([("plan".to_owned(), self.plan.to_string())]);
        self.with_metadata(metadata)
    }

    fn with_metadata(&self, metadata: HashMap<String, String>) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).expect("the shape fits"))
        });
        safetensors::serialize(views, Some(metadata)).unwrap()
    }

    /// What is said of it where it is refused.
    fn refused(&self) -> String {
        refused(&self.bytes())
    }
}

/// Halves and quarters, which 16 bits hold exactly.
fn numbers(shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product()).map(|number: usize| (number % 17) as f32 / 4.0 - 2.0).collect()
}

fn parse(bytes: &[u8]) -> Result<Plan, NetworkError> {
    file::parse(Cursor::new(bytes), bytes.len() as u64)
}

fn refused(bytes: &[u8]) -> String {
    parse(bytes).expect_err("it is wrong").to_string()
}

#[test]
fn what_is_written_is_read() {
    let plan = parse(&Draft::new().bytes()).unwrap();
    assert_eq!((plan.scale, plan.range, plan.radius, plan.overlap), (2, 255.0, 3, 2));
    assert_eq!(plan.output, TensorId(3));
    assert_eq!(plan.tensors[1].name, "a");
    let [a, b, out] = plan.convs.as_slice() else { panic!("{plan:?}") };
    assert_eq!((a.kernel, a.times, a.plus.len()), (3, 1.0, 0));
    assert_eq!(a.activation, Activation::Prelu(numbers(&[4])));
    assert_eq!(b.from, [TensorId(0), TensorId(1)]);
    assert_eq!((b.times, b.activation.clone()), (0.2, Activation::Relu));
    assert_eq!(
        b.plus.iter().map(|plus| (plus.tensor, plus.times)).collect::<Vec<_>>(),
        [(TensorId(1), 0.5), (TensorId(1), 1.0)]
    );
    assert_eq!(b.weights, numbers(&[4, 7, 5, 5]));
    assert_eq!(b.bias, numbers(&[4]));
    assert_eq!(out.activation, Activation::None);
    assert_eq!(out.weights, numbers(&[12, 4, 1, 1]));
    assert_eq!(direct::run(&plan, 3, 2, &[0.5; 18]).len(), 6 * 4 * 3);
}

#[test]
fn a_file_is_read_by_its_path() {
    let mut stored = tempfile::NamedTempFile::new().unwrap();
    stored.write_all(&Draft::new().bytes()).unwrap();
    assert_eq!(file::read(stored.path()).unwrap(), parse(&Draft::new().bytes()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(file::read(folder.path()), Err(NetworkError::NotAFile)));
    assert!(matches!(file::read(&folder.path().join("none")), Err(NetworkError::Read(_))));
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len((256 << 20) + 1).unwrap();
    let error = file::read(file.path()).unwrap_err().to_string();
    assert_eq!(error, "the network's file has 268435457 bytes; at most 268435456 are read");
}

#[test]
fn other_kinds_of_file_are_told_by_name() {
    let cases: [(&[u8], &str); 8] = [
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "a zip archive"),
        (
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P",
            "a Python pickle, which is never read because it can run code",
        ),
        (b"\x80\x04\x95", "a Python pickle"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n\x00", "an HDF5 file"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00", "a gzip archive"),
        (b"[1, 2, 3, 4, 5]", "JSON"),
    ];
    for (bytes, name) in cases {
        let error = refused(bytes);
        assert!(error.starts_with(&format!("the network's file is {name}")), "{error}");
        assert!(error.contains("not safetensors"), "{error}");
    }
}

#[test]
fn every_way_of_cutting_a_file_short_is_refused() {
    let bytes = Draft::new().bytes();
    for length in 0..bytes.len() {
        let error = refused(&bytes[..length]);
        assert!(error.starts_with("the network's file is damaged: it has"), "{length}: {error}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(refused(&longer).contains("and its header says"));
}

#[test]
fn a_header_that_says_anything_else_is_refused() {
    let header = |json: &str| [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat();
    let deep = format!("{{\"a\":{}", "[".repeat(10_000));
    for json in ["{}", "{", "{\"a\":1}", "{\u{1}}", &deep] {
        let error = refused(&header(json));
        assert!(error.contains("is damaged") || error.contains("has no plan"), "{json}: {error}");
    }
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(
        refused(&huge).contains("its header would have 18446744073709551615 bytes; at most 8388608 are read")
    );
    let overlapping = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    assert!(refused(&[header(overlapping), vec![0; 12]].concat()).contains("its header cannot be read"));
    let vast =
        r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,8]}}"#;
    assert!(refused(&[header(vast), vec![0; 8]].concat()).contains("its header cannot be read"));
}

#[test]
fn a_file_without_a_plan_says_so() {
    let draft = Draft::new();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    assert!(matches!(parse(&draft.with_metadata(metadata)), Err(NetworkError::NoPlan)));
    let metadata = HashMap::from([("plan".to_owned(), "no JSON".to_owned())]);
    assert!(matches!(parse(&draft.with_metadata(metadata)), Err(NetworkError::Document(_))));
}

#[test]
fn a_later_format_is_refused_for_its_number_not_for_its_new_fields() {
    let later = Draft::new().set("/format", json!(2)).add("", "depthwise", json!(true));
    assert_eq!(later.refused(), "the network's plan has format 2; this version reads format 1");
}

#[test]
fn fields_that_are_not_known_are_refused() {
    for (pointer, name) in
        [("", "stride"), ("/tensors/0", "scale"), ("/convs/1", "padding"), ("/convs/1/plus/0", "x")]
    {
        let error = Draft::new().add(pointer, name, json!(2)).refused();
        assert!(error.contains(&format!("unknown field `{name}`")), "{error}");
    }
    let error = Draft::new().set("/convs/1/activation", json!("gelu")).refused();
    assert!(error.contains("unknown variant `gelu`, expected one of `none`, `relu`, `prelu`"), "{error}");
}

#[test]
fn each_fault_of_the_plan_is_named() {
    let many = |count: usize| json!(vec![Draft::new().plan["convs"][0].clone(); count]);
    let cases = [
        ("/scale", json!(0), "`scale` is 0; it must be 1 to 8"),
        ("/scale", json!(9), "`scale` is 9; it must be 1 to 8"),
        ("/scale", json!(4), "`output` has 12 channels; scale 4 needs 3 · scale² = 48"),
        ("/range", json!(0), "`range` is 0; it must be a number above 0"),
        ("/range", json!(1e300), "`range` is inf; it must be a number above 0"),
        (
            "/range",
            json!(1e-40),
            "`range` is 0.0000000000000000000000000000000000000001; it must be a number above 0",
        ),
        ("/radius", json!(2), "`radius` is 2; the convolutions see 3 pixels far, so it must be 3 to 8192"),
        (
            "/radius",
            json!(9000),
            "`radius` is 9000; the convolutions see 3 pixels far, so it must be 3 to 8192",
        ),
        ("/overlap", json!(4), "`overlap` is 4; it must be at most the radius, 3"),
        ("/output", json!("none"), "`output` is \"none\", which is not among the tensors"),
        ("/output", json!("input"), "`output` is the input; it must be written by a convolution"),
        ("/output", json!("b"), "`output` has 4 channels; scale 2 needs 3 · scale² = 12"),
        ("/tensors", json!([]), "is not among the tensors"),
        ("/tensors/0/channels", json!(4), "`tensors[0].channels` is 4; the input must have 3"),
        ("/tensors/1/channels", json!(0), "`tensors[1].channels` is 0; it must be 1 to 1024"),
        ("/tensors/1/channels", json!(1025), "`tensors[1].channels` is 1025; it must be 1 to 1024"),
        (
            "/tensors/1/channels",
            json!(5),
            "`convs[1].plus[0].tensor` has 5 channels; what it is added to has 4",
        ),
        ("/convs/0/from/0", json!("c"), "`convs[0].from[0]` is \"c\", which is not among the tensors"),
        (
            "/convs/0/from/0",
            json!("b"),
            "`convs[0].from[0]` is \"b\", which is written by no convolution before",
        ),
        (
            "/convs/0/from/0",
            json!("a"),
            "`convs[0].from[0]` is \"a\", which is written by no convolution before",
        ),
        ("/convs/0/from", json!([]), "`convs[0].from` has 0 entries; it must have 1 to 64"),
        ("/convs/0/from", json!(vec!["input"; 65]), "`convs[0].from` has 65 entries; it must have 1 to 64"),
        (
            "/convs/1/to",
            json!("a"),
            "`convs[1].to` is written before; each convolution must write a tensor of its own",
        ),
        (
            "/convs/1/to",
            json!("input"),
            "`convs[1].to` is the input; each convolution must write a tensor of its own",
        ),
        ("/convs/1/kernel", json!(2), "`convs[1].kernel` is 2; it must be 1, 3 or 5"),
        ("/convs/1/times", json!(1e39), "`convs[1].times` is inf; it must be a finite number"),
        (
            "/convs/1/plus/0/times",
            json!(-1e39),
            "`convs[1].plus[0].times` is -inf; it must be a finite number",
        ),
        (
            "/convs/1/plus/1/tensor",
            json!("out"),
            "`convs[1].plus[1].tensor` is \"out\", which is written by no convolution before",
        ),
        (
            "/convs/1/plus/1/tensor",
            json!("input"),
            "`convs[1].plus[1].tensor` has 3 channels; what it is added to has 4",
        ),
        (
            "/convs/1/plus",
            json!(vec![json!({"tensor": "a"}); 9]),
            "`convs[1].plus` has 9 entries; at most 8 are allowed",
        ),
        (
            "/convs/0/activation",
            json!("relu"),
            "`convs[0].slope` is for activation \"prelu\" only; leave it out",
        ),
        (
            "/convs/1/activation",
            json!("prelu"),
            "`convs[1].slope` is missing; activation \"prelu\" needs the name of a tensor",
        ),
        (
            "/convs/1/kernel",
            json!(3),
            "`convs[1].weights` is \"b.weight\", which has shape [4, 7, 5, 5]; it must have [4, 7, 3, 3]",
        ),
        (
            "/convs/1/bias",
            json!("c.bias"),
            "`convs[1].bias` is \"c.bias\", which is not in the file; each needs a tensor of the file",
        ),
        (
            "/convs/1/bias",
            json!("a.bias"),
            "`convs[1].bias` is \"a.bias\", which is used before; each needs a tensor of the file",
        ),
        ("/convs", json!([]), "`convs` has 0 entries; it must have 1 to 4096"),
        ("/convs", many(4097), "`convs` has 4097 entries; it must have 1 to 4096"),
    ];
    for (pointer, value, fault) in cases {
        let error = Draft::new().set(pointer, value).refused();
        assert!(error.starts_with("the network's plan is wrong: "), "{pointer}: {error}");
        assert!(error.contains(fault), "{pointer}: {error}, not {fault}");
    }
}

#[test]
fn tensors_are_named_once_and_written_once_and_used() {
    let mut twice = Draft::new();
    twice.plan["tensors"][3]["name"] = json!("a");
    twice.plan["output"] = json!("a");
    twice.plan["convs"][2]["to"] = json!("a");
    assert!(twice.refused().contains("`tensors[3].name` is \"a\", as another tensor's; names must differ"));
    let mut nameless = Draft::new();
    nameless.plan["tensors"][3]["name"] = json!("");
    nameless.plan["output"] = json!("");
    nameless.plan["convs"][2]["to"] = json!("");
    assert!(nameless.refused().contains("`tensors[3].name` has 0 bytes; it must have 1 to 200"));
    let mut never = Draft::new();
    never.plan["tensors"].as_array_mut().unwrap().push(json!({"name": "never", "channels": 3}));
    assert!(never.refused().contains("`tensors[4]` is written by no convolution; leave it out"));
    let mut more = Draft::new();
    more.floats("more", &[2]);
    assert!(more.refused().contains("`convs` do not use \"more\", which is in the file"));
}

#[test]
fn numbers_that_are_not_finite_or_of_another_type_are_refused() {
    for bytes in [f32::NAN.to_le_bytes(), f32::INFINITY.to_le_bytes()] {
        let mut draft = Draft::new();
        draft.tensors.get_mut("a.slope").unwrap().2[4..8].copy_from_slice(&bytes);
        let error = draft.refused();
        assert!(
            error.contains("`convs[0].slope` has ")
                && error.contains("at place 1; all numbers must be finite"),
            "{error}"
        );
    }
    let mut draft = Draft::new();
    draft.tensors.get_mut("b.weight").unwrap().2[..2].copy_from_slice(&f16::INFINITY.to_le_bytes());
    assert!(draft.refused().contains("`convs[1].weights` has inf at place 0"));
    let mut draft = Draft::new();
    draft.tensors.insert("a.bias".to_owned(), (Dtype::I32, vec![4], vec![0; 16]));
    assert!(
        draft
            .refused()
            .contains("`convs[0].bias` is \"a.bias\", which has numbers of type I32; F16 and F32 are read")
    );
}

#[test]
fn a_plan_that_was_changed_is_checked_anew() {
    let mut plan = parse(&Draft::new().bytes()).unwrap();
    plan.check().unwrap();
    plan.convs[1].weights.pop();
    assert!(
        plan.check()
            .unwrap_err()
            .to_string()
            .ends_with("`convs[1].weights` has 699 numbers; it must have 700")
    );
    plan.convs[1].weights.push(0.0);
    plan.convs[1].from[0] = TensorId(99);
    assert!(plan.check().unwrap_err().to_string().ends_with("`convs[1].from[0]` is no tensor of the plan"));
}

#[test]
fn no_change_of_a_byte_panics() {
    let bytes = Draft::new().bytes();
    let dice = &mut random::Dice::new(7);
    for _ in 0..20_000 {
        let mut changed = bytes.clone();
        for _ in 0..=dice.below(3) {
            // Mostly in the header, where a byte can do most.
            let end = if dice.below(4) == 0 { bytes.len() } else { 1500 };
            let place = dice.below(end);
            changed[place] = dice.below(256) as u8;
        }
        if let Ok(plan) = parse(&changed) {
            plan.check().unwrap();
        }
    }
}
