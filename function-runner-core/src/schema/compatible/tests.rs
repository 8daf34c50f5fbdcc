//! What breaks and what does not, and that nothing is missed that jsonschema can prove.

use jsonschema::{canonical::Containment, canonicalize};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use schemars::{JsonSchema, schema_for};
use serde_json::json;

use super::*;

fn input(old: Value, new: Value) -> Vec<String> {
    breaks(&old, &new, Side::Input)
}

fn output(old: Value, new: Value) -> Vec<String> {
    breaks(&old, &new, Side::Output)
}

/// An object with one field of this schema, nothing else allowed.
fn field(schema: Value) -> Value {
    json!({"type": "object", "properties": {"f": schema}, "additionalProperties": false})
}

#[test]
fn each_break_of_an_input_says_what_and_why_and_what_to_do() {
    let required = json!({"type": "object", "properties": {"f": {"type": "string"}}, "required": ["f"], "additionalProperties": false});
    let bare = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let text = json!({"type": "string"});
    let cases = [
        (
            field(text.clone()),
            required,
            "the field is required now, so input without it is refused; raise the major version, or make the field optional",
        ),
        (
            field(text.clone()),
            bare,
            "the field is gone, so input that has it is refused; raise the major version, or keep the field",
        ),
        (
            field(json!({"type": ["string", "null"]})),
            field(text.clone()),
            "null was accepted and is refused now; raise the major version, or keep accepting it",
        ),
        (field(text.clone()), field(json!({"type": "integer"})), "a string was accepted and is refused now"),
        (
            field(json!({"type": "number"})),
            field(json!({"type": "integer"})),
            "a number was accepted and is refused now",
        ),
        (
            field(json!({"enum": ["a", "b"]})),
            field(json!({"enum": ["a"]})),
            "the value \"b\" was accepted and is refused now; raise the major version, or keep the value",
        ),
        (field(text.clone()), field(json!({"enum": ["a"]})), "only listed values are accepted now"),
        (
            field(json!({"type": "integer", "minimum": 1})),
            field(json!({"type": "integer", "minimum": 2})),
            "`minimum` is 2 now and was 1, so some input is refused now; raise the major version, or keep the limit",
        ),
        (
            field(text.clone()),
            field(json!({"type": "string", "maxLength": 9})),
            "`maxLength` is 9 now and there was none",
        ),
        (
            field(text.clone()),
            field(json!({"type": "string", "pattern": "^a"})),
            "`pattern` is `^a` now, so some input is refused now",
        ),
        (field(text), field(json!({"type": "string", "format": "uuid"})), "`format` is `uuid` now"),
        (
            field(json!({"items": {}})),
            field(json!({"items": {}, "uniqueItems": true})),
            "`uniqueItems` changed, and whether that breaks cannot be told",
        ),
        (field(json!({})), field(json!(false)), "nothing is accepted any more"),
        (
            field(json!({"minimum": 5, "type": "integer"})),
            field(json!({"type": "integer", "not": {"const": 7}})),
            "`not` changed",
        ),
    ];
    for (old, new, expected) in cases {
        let found = input(old.clone(), new.clone());
        assert!(
            found.iter().any(|one| one.starts_with(&format!("`/f`: {expected}"))),
            "{old} → {new}: {found:#?}"
        );
        assert!(input(old.clone(), old).is_empty() && input(new.clone(), new).is_empty());
    }
}

#[test]
fn each_break_of_an_output_says_what_readers_rely_on() {
    let with = |required: &[&str]| json!({"type": "object", "properties": {"f": {}}, "required": required});
    assert_eq!(
        output(with(&["f"]), with(&[])),
        [
            "`/f`: the field may be absent now, and readers rely on it; raise the major version, or keep the field"
        ]
    );
    assert!(output(with(&[]), with(&["f"])).is_empty());
    let text = |schema: Value| json!({"properties": {"f": schema}});
    assert_eq!(
        output(text(json!({"type": "string"})), text(json!({"type": ["string", "null"]}))),
        ["`/f`: it may be null now, which readers do not expect; raise the major version, or keep the type"]
    );
    assert_eq!(
        output(text(json!({"enum": ["a"]})), text(json!({"enum": ["a", "b"]}))),
        [
            "`/f`: it may be the new value \"b\", which readers do not know; raise the major version, or leave the value out"
        ]
    );
    let limit = |most: u32| text(json!({"type": "integer", "maximum": most}));
    assert_eq!(
        output(limit(9), limit(20)),
        [
            "`/f`: it has 20 for its `maximum`, which was 9, so readers may get what they do not expect; raise the major \
         version, or keep the limit"
        ]
    );
    assert!(output(limit(20), limit(9)).is_empty());
    assert!(
        output(field(json!({})), json!({"type": "object", "properties": {"f": {}, "new": {}}})).is_empty()
    );
}

#[test]
fn what_only_widens_an_input_breaks_nothing() {
    let cases = [
        (field(json!({"type": "integer"})), field(json!({"type": ["number", "null"]}))),
        (field(json!({"enum": ["a"]})), field(json!({"oneOf": [{"const": "a"}, {"const": "b"}]}))),
        (
            field(json!({"oneOf": [{"const": "a"}, {"const": "b"}]})),
            field(json!({"type": "string", "enum": ["a", "b", "c"]})),
        ),
        (field(json!({"type": "string"})), field(json!({"anyOf": [{"type": "string"}, {"type": "null"}]}))),
        (field(json!({"$ref": "#/$defs/x"})), field(json!({"type": "integer", "minimum": 0}))),
        (
            field(json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255})),
            field(json!({"type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535})),
        ),
        (
            field(json!({"type": "integer", "exclusiveMinimum": 0})),
            field(json!({"type": "integer", "minimum": 1})),
        ),
        (field(json!({"const": 5})), field(json!({"type": "integer", "minimum": 5, "exclusiveMaximum": 6}))),
        (field(json!({"type": "boolean"})), field(json!({"enum": [true, false, null]}))),
        (json!({"prefixItems": [{"type": "integer"}], "items": false}), json!({"items": {"type": "number"}})),
    ];
    for (mut old, new) in cases {
        old["$defs"] = json!({"x": {"type": "integer", "minimum": 3, "description": "text"}});
        assert_eq!(input(old.clone(), new.clone()), [""; 0], "{old} → {new}");
    }
}

#[test]
fn a_form_that_is_gone_is_told_by_its_tag_or_its_field() {
    let form = |tag: &str| json!({"type": "object", "properties": {"kind": {"const": tag}, tag: {"type": "integer"}}, "required": ["kind"]});
    assert_eq!(
        input(json!({"oneOf": [form("a"), form("b")]}), json!({"oneOf": [form("a")]})),
        [
            "`/kind`: the value \"b\" was accepted and is refused now; raise the major version, or keep the value"
        ]
    );
    let form = |name: &str| json!({"type": "object", "properties": {name: {}}, "required": [name], "additionalProperties": false});
    assert_eq!(
        input(json!({"oneOf": [form("A"), form("B")]}), json!({"oneOf": [form("A")]})),
        [
            "the whole value: the form with the field `B` was accepted and is refused now; raise the major version, or keep the form"
        ]
    );
    assert_eq!(
        output(json!({"oneOf": [form("A")]}), json!({"oneOf": [form("A"), form("B")]})),
        [
            "the whole value: it may have the form with the field `B` now, which readers do not know; raise the major version, \
         or leave the form out"
        ]
    );
}

#[test]
fn recursive_types_end_and_what_changed_deep_inside_is_found() {
    let tree = |leaf: Value| {
        json!({"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {
        "leaf": leaf, "next": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
        "many": {"type": "array", "items": {"$ref": "#/$defs/T"}}}}}})
    };
    assert!(input(tree(json!({"type": "integer"})), tree(json!({"type": "integer"}))).is_empty());
    let found = input(tree(json!({"type": "integer"})), tree(json!({"type": "string"})));
    assert_eq!(
        found,
        [
            "`/leaf`: an integer was accepted and is refused now; raise the major version, or keep accepting it"
        ]
    );
    let lost = json!({"$ref": "http://a.b/c"});
    assert_eq!(input(lost.clone(), json!({})).len(), 1);
    assert!(input(lost.clone(), lost).is_empty());
}

#[test]
fn schemas_that_explode_end_as_incomparable() {
    let wide = |n: i32| json!({"anyOf": (0..n).map(|n| json!({"const": n})).collect::<Vec<_>>()});
    let both = json!({"allOf": [wide(100), wide(100)]});
    assert!(input(both.clone(), json!({"allOf": [wide(100), wide(99)]}))[0].contains("too large"));
    assert!(input(both.clone(), both).is_empty());
}

#[test]
fn evolving_a_real_type_is_told_right() {
    mod old {
        #[derive(super::JsonSchema)]
        pub(super) enum Mode {
            Fast,
            Good,
        }
        #[derive(super::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        pub(super) struct Input {
            pub(super) prompt: String,
            pub(super) mode: Mode,
            pub(super) seed: Option<u8>,
            pub(super) gone: Option<bool>,
        }
    }
    mod new {
        #[derive(super::JsonSchema)]
        pub(super) enum Mode {
            Fast,
            Good,
            Best,
        }
        #[derive(super::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        pub(super) struct Input {
            pub(super) prompt: String,
            pub(super) mode: Mode,
            pub(super) seed: Option<u64>,
            pub(super) steps: Option<u32>,
            pub(super) must: i32,
        }
    }
    let _ = (old::Mode::Fast, old::Mode::Good, new::Mode::Fast, new::Mode::Good, new::Mode::Best);
    let (mut before, mut after): (Value, Value) =
        (schema_for!(old::Input).into(), schema_for!(new::Input).into());
    assert_eq!(breaks(&before, &after, Side::Input).len(), 1, "only `must`, while the schema is open");
    crate::schema::close(&mut before);
    crate::schema::close(&mut after);
    let found = breaks(&before, &after, Side::Input);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("`/must`: the field is required now")
            && found[1].starts_with("`/gone`: the field is gone")
    );
    let found = breaks(&before, &after, Side::Output);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("`/mode`: it may be the new value \"Best\"") && found[1].contains("`maximum`")
    );
}

/// Closed schemas, so that every rule of theirs is one of sets.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": "boolean"})),
        (any::<bool>(), 0..4, 2..6).prop_map(|(whole, low, high)| {
            json!({"type": if whole { "integer" } else { "number" }, "minimum": low, "maximum": high})
        }),
        (0..4, 0..5).prop_map(
            |(low, high)| json!({"type": "integer", "exclusiveMinimum": low, "exclusiveMaximum": low + high})
        ),
        (0..3, 2..5).prop_map(|(low, high)| json!({"type": "string", "minLength": low, "maxLength": high})),
        proptest::sample::subsequence(
            vec![json!(1), json!(2), json!("a"), json!("bb"), json!(null), json!(true)],
            1..5
        )
        .prop_map(|values| json!({"enum": values})),
        Just(json!({"type": ["string", "integer", "null"]})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let fields = proptest::collection::btree_map("[a-c]", inner.clone(), 0..3);
        prop_oneof![
            (fields, any::<bool>()).prop_map(|(fields, all)| {
                let required: Vec<&String> = fields.keys().filter(|name| all || *name == "a").collect();
                json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false})
            }),
            (inner.clone(), 1..4).prop_map(|(items, most)| json!({"type": "array", "items": items, "maxItems": most})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"type": "array", "prefixItems": [one], "items": two})),
            inner.clone().prop_map(|rest| json!({"type": "object", "additionalProperties": rest})),
            (inner.clone(), inner).prop_map(|(one, two)| json!({"anyOf": [one, two]})),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_is_provably_refused_goes_unsaid(old in schemas(), new in schemas()) {
        if breaks(&old, &new, Side::Input).is_empty() {
            let contained = canonicalize(&new).unwrap().covers(&canonicalize(&old).unwrap()).unwrap();
            prop_assert!(!matches!(contained, Containment::No), "{old} → {new}");
        }
    }

    #[test]
    fn a_schema_is_compatible_with_itself_and_with_more(schema in schemas(), other in schemas()) {
        prop_assert!(breaks(&schema, &schema, Side::Input).is_empty());
        prop_assert!(breaks(&schema, &schema, Side::Output).is_empty());
        let wider = json!({"anyOf": [schema, other]});
        prop_assert!(breaks(&schema, &wider, Side::Input).is_empty());
        prop_assert!(breaks(&wider, &schema, Side::Output).is_empty());
    }
}
