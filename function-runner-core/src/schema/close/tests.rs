//! Real derived types: what they write stays valid when their schemas are closed, and a misspelt field is
//! found.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::{ProptestConfig, any, proptest};
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::schema::Schema;

fn closed<T: JsonSchema>() -> Value {
    let mut schema: Value = schema_for!(T).into();
    close(&mut schema);
    let again = schema.clone();
    close(&mut schema);
    assert_eq!(schema, again, "closing twice is closing once");
    schema
}

/// What the type writes is valid, with every field it has.
fn accepts<T: JsonSchema + Serialize>(values: &[T]) -> Schema {
    let source = closed::<T>();
    let schema = Schema::compile(&source).unwrap();
    for value in values {
        let value = serde_json::to_value(value).unwrap();
        assert_eq!(schema.check(&value), [], "{value} in {source:#}");
    }
    schema
}

/// A field of this name in the object at this pointer is an unknown field.
fn finds_misspelt(schema: &Schema, value: &impl Serialize, object: &str) {
    let mut value = serde_json::to_value(value).unwrap();
    value.pointer_mut(object).unwrap().as_object_mut().unwrap().insert("misspelt".to_owned(), json!(1));
    let faults = schema.check(&value);
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, [format!("{object}/misspelt")], "{value} {faults:?}");
}

/// Such a field is let through, since the schema cannot know whose it is.
fn stays_open(schema: &Schema, value: &impl Serialize, object: &str) {
    let mut value = serde_json::to_value(value).unwrap();
    value.pointer_mut(object).unwrap().as_object_mut().unwrap().insert("misspelt".to_owned(), json!(1));
    assert_eq!(schema.check(&value), []);
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
struct Tile {
    x: u32,
    #[serde(rename = "why", default)]
    y: Option<u32>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Plain {
    /// A comment becomes a description beside the `$ref`.
    first_tile: Tile,
    maybe: Option<Tile>,
    many_tiles: Vec<Tile>,
    by_name: BTreeMap<String, Tile>,
    by_number: HashMap<u32, Tile>,
    pair: (Tile, u8),
    anything: Value,
    #[serde(default = "Tile::default")]
    filled: Tile,
}

fn plain() -> Plain {
    let tile = Tile { x: 1, y: Some(2) };
    Plain {
        maybe: Some(tile.clone()),
        many_tiles: vec![Tile::default(), tile.clone()],
        by_name: BTreeMap::from([("any name".to_owned(), tile.clone())]),
        by_number: HashMap::from([(7, tile.clone())]),
        pair: (tile, 1),
        anything: json!({"what": {"ever": 1}}),
        ..Plain::default()
    }
}

#[test]
fn structs_are_closed_wherever_they_stand() {
    let schema = accepts(&[Plain::default(), plain()]);
    for object in
        ["", "/firstTile", "/maybe", "/manyTiles/1", "/byName/any name", "/byNumber/7", "/pair/0", "/filled"]
    {
        finds_misspelt(&schema, &plain(), object);
    }
    stays_open(&schema, &plain(), "/anything");
    let mut wrong = serde_json::to_value(plain()).unwrap();
    wrong["firstTile"] = json!({"x": 1, "wyh": 2});
    assert_eq!(schema.check(&wrong)[0].to_string(), "unknown field; did you mean `why`?");
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Strict {
    #[serde(flatten)]
    inner: StrictInner,
    other: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StrictInner {
    a: u8,
    tile: Tile,
}

#[test]
fn strict_structs_and_flattened_structs_know_all_their_fields() {
    let inner = || StrictInner { a: 1, tile: Tile::default() };
    let schema = accepts(&[inner()]);
    finds_misspelt(&schema, &inner(), "");
    let schema = accepts(&[Strict { inner: inner(), other: Some(1) }]);
    finds_misspelt(&schema, &Strict { inner: inner(), other: None }, "");
    finds_misspelt(&schema, &Strict { inner: inner(), other: None }, "/tile");
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct WithRest {
    known: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Optional {
    known: u8,
    #[serde(flatten)]
    tile: Option<Tile>,
}

#[test]
fn a_flattened_map_takes_any_field_and_a_flattened_option_its_own() {
    let rest = BTreeMap::from([("more".to_owned(), json!(1))]);
    let schema = accepts(&[WithRest { known: 1, rest }]);
    stays_open(&schema, &WithRest { known: 1, rest: BTreeMap::new() }, "");
    accepts(&[
        Optional { known: 1, tile: None },
        Optional { known: 1, tile: Some(Tile { x: 1, y: Some(1) }) },
    ]);
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Marker;

macro_rules! tagged {
    ($($name:ident: $attribute:meta;)*) => { $(
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        #[$attribute]
        enum $name {
            Unit,
            Newtype(Tile),
            Struct { size: u8, tile: Tile },
            /// Its own text.
            Renamed { #[serde(rename = "other name")] field: Option<u8> },
            Boxed(Box<Plain>),
        }

        impl $name {
            fn all() -> [Self; 6] {
                let tile = || Tile { x: 1, y: Some(2) };
                let boxed = |plain| Self::Boxed(Box::new(plain));
                [Self::Unit, Self::Newtype(tile()), Self::Struct { size: 1, tile: tile() },
                    Self::Renamed { field: Some(1) }, boxed(plain()), boxed(Plain::default())]
            }
        }
    )* };
}

tagged! {
    External: serde(rename_all = "snake_case");
    Internal: serde(tag = "type");
    Adjacent: serde(tag = "t", content = "c");
    Untagged: serde(untagged);
}

/// An enum in every place that another type has for it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Holder<E> {
    one: E,
    many: Vec<E>,
    maybe: Option<E>,
    tile: Tile,
}

/// An enum whose fields stand among those of the struct around it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Around<E> {
    common: u8,
    own: Tile,
    #[serde(flatten)]
    inner: E,
}

/// Two of them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct AroundTwo<A, B> {
    #[serde(flatten)]
    one: A,
    #[serde(flatten)]
    two: B,
}

fn holder<E>(mut all: impl FnMut() -> Vec<E>) -> Holder<E> {
    let (one, maybe) = (all().pop().unwrap(), all().pop());
    Holder { one, many: all(), maybe, tile: Tile::default() }
}

macro_rules! for_every_tagging {
    ($($name:ident)*) => { $(
        accepts(&$name::all());
        let held = || holder(|| $name::all().into());
        finds_misspelt(&accepts(&[held()]), &held(), "");
    )* };
}

#[test]
fn every_form_of_every_tagging_stays_valid() {
    for_every_tagging!(External Internal Adjacent Untagged);
}

#[test]
fn a_misspelt_field_of_a_form_is_found_where_the_form_alone_says_its_fields() {
    let schema = accepts(&External::all());
    finds_misspelt(&schema, &External::all()[1], "/newtype");
    finds_misspelt(&schema, &External::all()[2], "/struct");
    finds_misspelt(&schema, &External::all()[2], "/struct/tile");
    let schema = accepts(&Adjacent::all());
    finds_misspelt(&schema, &Adjacent::all()[2], "/c");
    finds_misspelt(&schema, &Adjacent::all()[2], "");
    let schema = accepts(&Internal::all());
    finds_misspelt(&schema, &Internal::all()[2], "");
    stays_open(&schema, &Internal::all()[1], "");
    finds_misspelt(&accepts(&Untagged::all()), &Untagged::all()[2], "/tile");
}

#[test]
fn flattened_enums_leave_their_surroundings_open_and_valid() {
    for inner in Internal::all() {
        accepts(&[Around { common: 1, own: Tile::default(), inner }]);
    }
    for inner in External::all() {
        accepts(&[Around { common: 1, own: Tile::default(), inner }]);
    }
    for inner in Adjacent::all() {
        accepts(&[Around { common: 1, own: Tile::default(), inner }]);
    }
    let inner = || Untagged::Struct { size: 1, tile: Tile::default() };
    let schema = accepts(&[Around { common: 1, own: Tile::default(), inner: inner() }]);
    stays_open(&schema, &Around { common: 1, own: Tile::default(), inner: inner() }, "");
    let two = || AroundTwo {
        one: Internal::Struct { size: 1, tile: Tile::default() },
        two: Adjacent::Newtype(Tile::default()),
    };
    accepts(&[two()]);
    accepts(&[Holder { one: two(), many: vec![two()], maybe: Some(two()), tile: Tile::default() }]);
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
struct Tree<T> {
    value: T,
    children: Vec<Tree<T>>,
    next: Option<Box<Tree<T>>>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op")]
enum Expression {
    Leaf(Tile),
    Add { left: Box<Expression>, right: Box<Expression> },
    Wrapped(Box<Holder<Marker>>),
}

#[test]
fn generic_and_recursive_types_are_closed_at_every_level() {
    let leaf = Tree { value: Tile::default(), ..Tree::default() };
    let tree = Tree { children: vec![leaf.clone()], next: Some(Box::new(leaf.clone())), ..leaf };
    let schema = accepts(std::slice::from_ref(&tree));
    for object in ["", "/children/0", "/next", "/next/value"] {
        finds_misspelt(&schema, &tree, object);
    }
    let leaf = || Box::new(Expression::Leaf(Tile::default()));
    let wrapped = Expression::Wrapped(Box::new(Holder {
        one: Marker,
        many: vec![Marker],
        maybe: None,
        tile: Tile::default(),
    }));
    accepts(&[Expression::Add { left: leaf(), right: leaf() }, wrapped]);
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Both {
    alone: Tile,
    tagged: Internal,
}

#[test]
fn a_definition_used_in_an_open_place_is_open_everywhere() {
    let both = || Both { alone: Tile::default(), tagged: Internal::Newtype(Tile::default()) };
    let schema = accepts(&[both()]);
    stays_open(&schema, &both(), "/alone");
    finds_misspelt(&schema, &both(), "");
}

#[test]
fn schemas_written_by_hand_keep_their_meaning() {
    let object = json!({"properties": {"a": {}}});
    let kept = [
        json!({"type": "object"}),
        json!({"properties": {"a": {}}, "additionalProperties": true}),
        json!({"properties": {"a": {}}, "patternProperties": {"^x": {}}}),
        json!({"allOf": [object, {"properties": {"b": {}}}]}),
        json!({"not": object}),
        json!({"if": object, "then": {}}),
        json!({"contains": object}),
        json!({"properties": {"a": {}}, "anyOf": [object]}),
        json!({"properties": {"a": {}}, "$dynamicRef": "#x"}),
        json!({"properties": {"a": {"$ref": "http://a.b/c"}}}),
        json!({"$ref": "#/$defs/T", "required": ["b"], "$defs": {"T": object}}),
        json!(true),
    ];
    for schema in kept {
        let mut closed = schema.clone();
        close(&mut closed);
        assert_eq!(closed, schema);
    }
    let mut once = json!({"allOf": [object], "title": "T"});
    close(&mut once);
    assert_eq!(once["allOf"][0]["additionalProperties"], false);
    let mut names = json!({"properties": {"$ref": {"properties": {"a/b~c": {"properties": {}}}}}});
    close(&mut names);
    assert_eq!(names["properties"]["$ref"]["properties"]["a/b~c"]["additionalProperties"], false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_type_writes_is_valid(x in any::<u32>(), y in any::<Option<u32>>(), names in proptest::collection::vec(".*", 0..4)) {
        let tile = Tile { x, y };
        let by_name = names.into_iter().map(|name| (name, tile.clone())).collect();
        let by_number = HashMap::from([(x, tile.clone())]);
        let value = Plain { maybe: y.map(|_| tile.clone()), by_name, by_number, pair: (tile.clone(), 3), first_tile: tile, ..plain() };
        accepts(std::slice::from_ref(&value));
        accepts(&[External::Boxed(Box::new(value.clone()))]);
        accepts(&[Internal::Boxed(Box::new(value.clone()))]);
        accepts(&[Adjacent::Boxed(Box::new(value))]);
    }
}
