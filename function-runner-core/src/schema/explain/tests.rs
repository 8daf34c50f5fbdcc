//! The walk says what jsonschema decides, in words, and stays within its bounds.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use proptest::{
    prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    test_runner::TestCaseError,
};
use serde_json::json;

use super::*;
use crate::schema::Schema;

fn check(schema: &Value, input: &Value) -> Vec<Fault> {
    Schema::compile(schema).unwrap().check(input)
}

/// Pointer and text of each fault.
fn told(schema: Value, input: Value) -> Vec<String> {
    check(&schema, &input).iter().map(|fault| format!("{} {fault}", fault.pointer)).collect()
}

#[test]
fn each_keyword_reads_as_a_sentence() {
    let cases = [
        (json!({"type": "string"}), json!(5), " 5 is not a string"),
        (json!({"type": "integer"}), json!(2.5), " 2.5 is not an integer"),
        (json!({"type": ["string", "null"]}), json!([1]), " an array of 1 item is not null or a string"),
        (json!({"type": "integer", "enum": [2, 4]}), json!(5), " 5 is not one of 2, 4"),
        (
            json!({"enum": ["draft", "high"]}),
            json!("hgih"),
            " \"hgih\" is not one of \"draft\", \"high\"; did you mean `high`?",
        ),
        (json!({"const": 1}), json!(2), " 2 is not 1"),
        (
            json!({"minimum": 1, "maximum": 9}),
            json!(10),
            " 10 is out of range; it must be at least 1 and at most 9",
        ),
        (json!({"exclusiveMinimum": 0}), json!(0), " 0 is out of range; it must be over 0"),
        (json!({"exclusiveMaximum": 1.5}), json!(2), " 2 is out of range; it must be under 1.5"),
        (json!({"multipleOf": 8}), json!(12), " 12 is not a multiple of 8"),
        (json!({"maxLength": 2}), json!("äöü"), " has 3 characters; at most 2 are allowed"),
        (json!({"minLength": 1}), json!(""), " has 0 characters; at least 1 is needed"),
        (json!({"maxItems": 1}), json!([1, 2]), " has 2 items; at most 1 is allowed"),
        (json!({"minProperties": 2}), json!({"a": 1}), " has 1 field; at least 2 are needed"),
        (json!({"uniqueItems": true}), json!([1, 1]), " holds an item twice; each may be there once"),
        (json!({"pattern": "^a+$"}), json!("b"), " \"b\" does not match the pattern `^a+$`"),
        (json!({"format": "date-time"}), json!("today"), " \"today\" is not a valid date-time"),
        (json!({"required": ["a"]}), json!({}), "/a required field is missing"),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({"a": 1}), "/b required field is missing"),
        (json!({"properties": {"a": false}}), json!({"a": 1}), "/a nothing is allowed here; leave it out"),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            json!({"ab": 1}),
            "/ab the field's name is not allowed: has 2 characters; at most 1 is allowed",
        ),
        (
            json!({"prefixItems": [true], "items": false}),
            json!([1, 2]),
            " has 2 items; at most 1 are allowed",
        ),
        (json!({"prefixItems": [true, {"type": "null"}]}), json!([1, 2]), "/1 2 is not null"),
        (
            json!({"contains": {"type": "null"}}),
            json!([1]),
            " has 0 items of the form that at least 1 must have",
        ),
        (
            json!({"contains": {"type": "null"}, "maxContains": 1}),
            json!([null, null]),
            " has 2 items of the form that at most 1 may have",
        ),
        (json!({"not": {"type": "null"}}), json!(null), " null is of a form that is not allowed here"),
        (
            json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            json!({"a": 1}),
            "/b required field is missing",
        ),
        (
            json!({"if": {"required": ["a"]}, "else": {"required": ["b"]}}),
            json!({}),
            "/b required field is missing",
        ),
        (
            json!({"dependentSchemas": {"a": {"required": ["b"]}}}),
            json!({"a": 1}),
            "/b required field is missing",
        ),
        (json!({"patternProperties": {"^x": {"type": "null"}}}), json!({"x1": 1}), "/x1 1 is not null"),
        (json!({"additionalProperties": {"type": "null"}}), json!({"a": 1}), "/a 1 is not null"),
        (
            json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}),
            json!(3),
            " fits 2 of the forms that are allowed here; it must fit exactly one",
        ),
    ];
    for (schema, input, expected) in cases {
        assert_eq!(told(schema.clone(), input), [expected], "{schema}");
    }
}

#[test]
fn every_fault_is_told_with_its_pointer() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["image", "factor"],
        "properties": {
            "image": {"$ref": "#/$defs/Artifact"}, "factor": {"enum": [2, 4]}, "quality": {"type": "string"},
            "tiles": {"type": "array", "items": {"$ref": "#/$defs/Tile"}}
        },
        "$defs": {
            "Artifact": {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]},
            "Tile": {"type": "object", "properties": {"x/y": {"type": "integer"}}, "additionalProperties": false}
        }
    });
    let input = json!({"image": {}, "qualty": 1, "tiles": [{"x/y": 1}, {"x/y": "a", "z": 0}]});
    assert_eq!(
        told(schema, input),
        [
            "/factor required field is missing; it must be one of 2, 4",
            "/image/uri required field is missing; it must be a string",
            "/qualty unknown field; did you mean `quality`?",
            "/tiles/1/x~1y \"a\" is not an integer",
            "/tiles/1/z unknown field; the only field is `x/y`",
        ]
    );
}

#[test]
fn of_alternatives_the_one_that_was_meant_is_told() {
    let optional = json!({"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}], "$defs": {"T": {"type": "object", "required": ["a"]}}});
    assert_eq!(told(optional.clone(), json!({})), ["/a required field is missing"]);
    assert_eq!(told(optional, json!(5)), [" 5 is not null or an object"]);

    let inner = |tag: &str, field: &str| {
        json!({"type": "object", "required": ["kind", field], "properties": {
        "kind": {"type": "string", "const": tag}, field: {"type": "integer"}}})
    };
    let tagged = json!({"oneOf": [inner("circle", "radius"), inner("square", "side")]});
    assert_eq!(
        told(tagged.clone(), json!({"kind": "circle", "radius": "x"})),
        ["/radius \"x\" is not an integer"]
    );
    assert_eq!(
        told(tagged.clone(), json!({"kind": "squar", "side": 1})),
        ["/kind \"squar\" is not one of \"circle\", \"square\"; did you mean `square`?"]
    );
    assert_eq!(
        told(tagged.clone(), json!({"side": 1})),
        ["/kind required field is missing; it must be one of \"circle\", \"square\""]
    );
    assert_eq!(told(tagged, json!(1)), [" 1 is not an object"]);

    let outer = |name: &str| {
        json!({"type": "object", "required": [name], "additionalProperties": false,
        "properties": {name: {"type": "object", "required": ["a", "b", "c"]}}})
    };
    let external = json!({"oneOf": [{"type": "string", "enum": ["Dot"]}, outer("Circle"), outer("Square")]});
    assert_eq!(
        told(external.clone(), json!({"Square": {"a": 1}})),
        ["/Square/b required field is missing", "/Square/c required field is missing"]
    );
    assert_eq!(
        told(external.clone(), json!({"Cirlce": {}})),
        [
            "/Circle required field is missing; it must be an object",
            "/Cirlce unknown field; did you mean `Circle`?"
        ]
    );
    assert_eq!(
        told(external.clone(), json!({"Triangle": {}})),
        [
            " fits none of the forms that are allowed here; it needs the field `Circle` or `Square`, and has no field `Triangle`"
        ]
    );
    assert_eq!(
        told(external, json!("Dott")),
        [" \"Dott\" is not \"Dot\", or an object; did you mean `Dot`?"]
    );

    let documented = json!({"oneOf": [{"const": "a", "description": "x"}, {"const": "b"}]});
    assert_eq!(told(documented, json!("c")), [" \"c\" is not one of \"a\", \"b\""]);
}

#[test]
fn fields_of_a_combination_are_known_to_all_of_it() {
    let schema = json!({
        "properties": {"common": {}}, "unevaluatedProperties": false,
        "oneOf": [{"properties": {"kind": {"const": 1}, "one": {}}, "required": ["kind"]},
                  {"properties": {"kind": {"const": 2}, "two": {}}, "required": ["kind"]}],
        "allOf": [{"patternProperties": {"^x-": {}}}, {"$ref": "#/$defs/More"}],
        "$defs": {"More": {"properties": {"more": {}}}}
    });
    assert!(told(schema.clone(), json!({"kind": 1, "one": 1, "common": 1, "x-a": 1, "more": 1})).is_empty());
    assert_eq!(
        told(schema.clone(), json!({"kind": 1, "two": 1})),
        ["/two unknown field; the fields are `common`, `kind`, `more`, `one`"]
    );
    assert_eq!(
        told(schema, json!({"kind": 2, "comon": 1})),
        ["/comon unknown field; did you mean `common`?"]
    );
}

#[test]
fn old_drafts_are_explained_by_their_own_rules() {
    let draft7 = "http://json-schema.org/draft-07/schema#";
    let beside = json!({"$schema": draft7, "properties": {"a": {"$ref": "#/definitions/A", "maxLength": 1}},
        "definitions": {"A": {"type": "string"}}});
    assert!(told(beside.clone(), json!({"a": "long"})).is_empty());
    assert_eq!(told(beside, json!({"a": 1})), ["/a 1 is not a string"]);
    let tuple =
        json!({"$schema": draft7, "items": [{"type": "null"}], "additionalItems": {"type": "string"}});
    assert_eq!(told(tuple, json!([1, 2])), ["/0 1 is not null", "/1 2 is not a string"]);
    let dependent = json!({"$schema": draft7, "dependencies": {"a": ["b"]}});
    assert_eq!(told(dependent, json!({"a": 1})), ["/b required field is missing"]);
}

#[test]
fn what_the_walk_does_not_follow_is_still_told() {
    let schema = json!({"$id": "http://a.b/c", "properties": {"x": {"$ref": "#other"}}, "$defs": {"O": {"$anchor": "other", "type": "null"}}});
    assert_eq!(told(schema, json!({"x": 1})), ["/x 1 is not null"]);
    let schema = json!({"prefixItems": [true], "unevaluatedItems": false});
    let fault = &check(&schema, &json!([1, 2]))[0];
    assert_eq!((fault.code, fault.message.contains("unevaluatedItems")), (FaultCode::Other, true));
}

#[test]
fn faults_are_bounded_and_one_says_so() {
    let schema = json!({"type": "array", "items": {"type": "string"}});
    let many = json!(vec![0; 1_000_000]);
    let faults = check(&schema, &many);
    assert_eq!(faults.len(), MAX_FAULTS + 1);
    assert_eq!(faults[MAX_FAULTS].code, FaultCode::TooMany);
    assert_eq!(check(&schema, &json!(vec![0; MAX_FAULTS])).len(), MAX_FAULTS);
    // Nor does it copy the array for each alternative.
    assert_eq!(check(&json!({"anyOf": [schema, {"type": "null"}]}), &many).len(), MAX_FAULTS + 1);
}

#[test]
fn past_the_budget_the_first_fault_is_told_or_the_value_called_too_large() {
    let steps = 1_000;
    let mut items = vec![json!(0); 20_000];
    items.push(json!("x"));
    let input = Value::Array(items);
    let told = |schema: Value| {
        let schema = Schema::compile(&schema).unwrap();
        explain_within(steps, schema.inner(), &input)
    };
    let faults = told(json!({"items": {"type": "integer"}}));
    assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/20000"));
    let faults = told(json!({"anyOf": [{"items": {"type": "integer"}}]}));
    assert_eq!((faults.len(), faults[0].code), (1, FaultCode::Other));
    let faults = told(json!({"items": {"type": "integer"}, "maxItems": 1}));
    assert_eq!(
        faults.iter().map(|fault| fault.code).collect::<Vec<_>>(),
        [FaultCode::TooLong, FaultCode::TooMany]
    );
}

#[test]
fn evil_names_cost_little_and_stay_short() {
    let properties: Fields = (0..5_000).map(|n| (format!("known_{n}"), json!({}))).collect();
    let schema = json!({"properties": properties, "additionalProperties": false});
    let unknown: Fields = (0..5_000).map(|n| (format!("knwon_{n}"), json!(1))).collect();
    let faults = check(&schema, &Value::Object(unknown));
    assert_eq!(faults.len(), MAX_FAULTS + 1);
    assert_eq!(faults[0].suggestion.as_deref(), Some("known_0"));
    let long: Fields = (0..3).map(|n| (format!("{}{n}\n", "n".repeat(1 << 20)), json!(1))).collect();
    for fault in check(&schema, &Value::Object(long)) {
        assert!(fault.pointer.len() + fault.to_string().len() < 1_000, "{fault}");
        assert!(!fault.pointer.contains('\n'));
    }
}

#[test]
fn the_deepest_value_and_schema_fit_the_stack_of_a_thread() {
    let tree = json!({"$ref": "#/$defs/T", "$defs": {"T": {"anyOf": [
        {"type": "integer"}, {"allOf": [{"type": "array", "items": {"$ref": "#/$defs/T"}}]}]}}});
    let schema = Schema::compile(&tree).unwrap();
    let deep = (0..crate::schema::MAX_DEPTH).fold(json!("x"), |value, _| json!([value]));
    let stack = std::thread::Builder::new().stack_size(2 << 20);
    let faults = stack.spawn(move || schema.check(&deep)).unwrap().join().unwrap();
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/0".repeat(crate::schema::MAX_DEPTH)]);
}

/// Schemas of every keyword that neither chooses nor negates, over few names so that values meet them.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({"type": "integer", "minimum": 0})),
        Just(json!({"type": "string", "maxLength": 1, "pattern": "^[a-c]*$"})),
        Just(json!({"enum": [1, "a", null]})),
        Just(json!({"type": ["object", "array"]})),
        Just(json!({"const": 2, "multipleOf": 2})),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let fields = proptest::collection::btree_map("[a-c]", inner.clone(), 0..3);
        prop_oneof![
            (fields, any::<bool>(), proptest::collection::vec("[a-c]", 0..2)).prop_map(
                |(fields, open, required)| {
                    let required: BTreeSet<_> = required.into_iter().collect();
                    json!({"properties": fields, "additionalProperties": open, "required": required})
                }
            ),
            // We tell of items too many at the array, jsonschema at each.
            (inner.clone(), inner.clone().prop_filter("items too many", |rest| rest != &json!(false)))
                .prop_map(|(first, rest)| json!({"prefixItems": [first], "items": rest, "maxItems": 2})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"allOf": [one, two]})),
            inner.clone().prop_map(|rest| json!({"patternProperties": {"^[ab]$": rest}, "minProperties": 1})),
            inner.prop_map(
                |rest| json!({"additionalProperties": rest, "propertyNames": {"enum": ["a", "b"]}})
            ),
        ]
    })
}

/// The same with choices and negation.
fn any_schemas() -> impl Strategy<Value = Value> {
    (schemas(), schemas(), schemas()).prop_flat_map(|(one, two, three)| {
        prop_oneof![
            Just(json!({"anyOf": [one, two]})),
            Just(json!({"oneOf": [one, two, three]})),
            Just(json!({"not": one, "properties": {"a": {"anyOf": [two, three]}}})),
            Just(json!({"if": one, "then": two, "else": three})),
            Just(json!({"allOf": [one, {"anyOf": [two, three]}], "unevaluatedProperties": false})),
            Just(json!({"contains": one, "minContains": 2, "items": {"oneOf": [two, three]}})),
            Just(json!({"dependentSchemas": {"a": one}, "oneOf": [{"$ref": "#/oneOf/1"}, two]})),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1)),
        Just(json!(2)),
        Just(json!(2.5)),
        Just(json!("")),
        Just(json!("a")),
        Just(json!("ab")),
        Just(json!("x"))
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(|fields| json!(fields)),
        ]
    })
}

/// Where jsonschema finds faults, an unknown or missing field counted where it is.
fn theirs(schema: &Value, input: &Value) -> BTreeSet<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let mut places = BTreeSet::new();
    for error in validator.iter_errors(input) {
        let at = error.instance_path().to_string();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                places.extend(unexpected.iter().map(|name| format!("{at}/{name}")))
            }
            ValidationErrorKind::Required { property } => {
                places.extend([format!("{at}/{}", property.as_str().unwrap())])
            }
            ValidationErrorKind::PropertyNames { error } => {
                places.extend([format!("{at}/{}", error.instance().as_str().unwrap())])
            }
            // Every field is unknown where none is known.
            ValidationErrorKind::FalseSchema
                if error.schema_path().as_str().ends_with("/additionalProperties") =>
            {
                places.extend(
                    input
                        .pointer(&at)
                        .and_then(Value::as_object)
                        .unwrap()
                        .keys()
                        .map(|name| format!("{at}/{name}")),
                );
            }
            _ => places.extend([at]),
        }
    }
    places
}

proptest! {
    #[test]
    fn without_choices_the_places_are_those_that_jsonschema_finds(schema in schemas(), input in values()) {
        let ours: BTreeSet<String> = check(&schema, &input).into_iter().map(|fault| fault.pointer).collect();
        prop_assert_eq!(ours, theirs(&schema, &input), "{} {}", schema, input);
    }

    #[test]
    fn the_walk_finds_something_exactly_where_jsonschema_does(schema in any_schemas(), input in values()) {
        let compiled = Schema::compile(&schema).unwrap();
        let faults = compiled.check(&input);
        prop_assert_eq!(faults.is_empty(), compiled.is_valid(&input));
        prop_assert!(faults.iter().all(|fault| fault.code != FaultCode::Other), "{schema} {input} {faults:?}");
        every_pointer_leads_into(&faults, &input)?;
    }

    #[test]
    fn the_walk_alone_agrees_with_jsonschema(schema in any_schemas(), input in values()) {
        let compiled = Schema::compile(&schema).unwrap();
        let is_valid = jsonschema::is_valid(&schema, &input);
        prop_assert_eq!(compiled.is_valid(&input), is_valid);
        prop_assert_eq!(Walk::over(compiled.inner()).all(&input).is_empty(), is_valid, "{} {}", schema, input);
    }
}

fn every_pointer_leads_into(faults: &[Fault], input: &Value) -> Result<(), TestCaseError> {
    for fault in faults {
        let place = match fault.code {
            FaultCode::Missing => fault.pointer.rsplit_once('/').unwrap().0,
            _ => &fault.pointer,
        };
        prop_assert!(input.pointer(place).is_some(), "{fault:?} {input}");
    }
    Ok(())
}
