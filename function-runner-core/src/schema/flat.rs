//! JSON text as a validator reads it: one flat list, with texts left where they stand, so that a valid input costs
//! one allocation and no tree.

use std::{borrow::Cow, fmt};

use jsonschema::{
    JsonType,
    json::{Array, Json, Node, NodeIdentity, Object, cmp},
};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::parse::MAX_DEPTH;

/// Objects with more fields than this are not read flat: each name is compared with those before it.
const MAX_FIELDS: usize = 16;

/// How many bytes of text one item takes at least, by guess: what the list is made for.
const ITEM: usize = 16;

/// The values of a JSON text in the order in which they begin; the name of a field stands before its value.
#[derive(Debug)]
pub(super) struct Flat<'t>(Vec<Item<'t>>);

#[derive(Debug)]
enum Item<'t> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'t, str>),
    Array(Span),
    Object(Span),
}

/// How many items or fields a value has, and where what follows it begins.
#[derive(Clone, Copy, Debug)]
struct Span {
    len: usize,
    end: usize,
}

impl<'t> Flat<'t> {
    /// Reads a text; `None` where it is no JSON, nests too deep, has a field twice, or is better read as a tree.
    pub(super) fn read(text: &'t [u8]) -> Option<Self> {
        // checked once for the whole, and not again for every text in it
        let text = std::str::from_utf8(text).ok()?;
        let mut flat = Self(Vec::with_capacity(text.len() / ITEM + 1));
        let mut source = serde_json::Deserializer::from_str(text);
        Reader { flat: &mut flat, depth: 0 }.deserialize(&mut source).ok()?;
        source.end().ok()?;
        Some(flat)
    }

    pub(super) fn root(&self) -> At<'_> {
        At { items: &self.0, at: 0 }
    }

    /// Whether the object that began at `begin` has a field of the name that was read last.
    fn has_twice(&self, begin: usize) -> bool {
        let name = self.0.len() - 1;
        let items = &self.0[..name];
        let mut fields = Fields { items, at: begin + 1 };
        matches!(&self.0[name], Item::Text(name) if fields.any(|(other, _)| other == name))
    }
}

/// Adds one value to the list.
struct Reader<'f, 't> {
    flat: &'f mut Flat<'t>,
    /// How many arrays and objects it stands in.
    depth: usize,
}

impl<'t> Reader<'_, 't> {
    fn add<E>(self, item: Item<'t>) -> Result<(), E> {
        self.flat.0.push(item);
        Ok(())
    }

    /// Begins an array or object, whose span is set when it has been read.
    fn open<E: Error>(&mut self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("too deep"));
        }
        self.flat.0.push(Item::Null);
        Ok(self.flat.0.len() - 1)
    }

    fn inner(&mut self) -> Reader<'_, 't> {
        Reader { flat: self.flat, depth: self.depth + 1 }
    }
}

impl<'t> DeserializeSeed<'t> for Reader<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Reader<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.add(Item::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.add(Item::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.add(Item::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.add(Item::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number"))?;
        self.add(Item::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<(), E> {
        self.add(Item::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.add(Item::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut items: A) -> Result<(), A::Error> {
        let (at, mut len) = (self.open()?, 0);
        while items.next_element_seed(self.inner())?.is_some() {
            len += 1;
        }
        let end = self.flat.0.len();
        self.flat.0[at] = Item::Array(Span { len, end });
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let (at, mut len) = (self.open()?, 0);
        while fields.next_key_seed(self.inner())?.is_some() {
            if len == MAX_FIELDS || self.flat.has_twice(at) {
                return Err(Error::custom("better read as a tree"));
            }
            fields.next_value_seed(self.inner())?;
            len += 1;
        }
        let end = self.flat.0.len();
        self.flat.0[at] = Item::Object(Span { len, end });
        Ok(())
    }
}

/// The representation's name for jsonschema.
pub(super) struct FlatJson;

impl Json for FlatJson {
    type Node<'a> = At<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), text: &str, f: impl FnOnce(At<'_>) -> T) -> T {
        f(At { items: &[Item::Text(text.into())], at: 0 })
    }
}

/// One value of a flat text.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    items: &'a [Item<'a>],
    at: usize,
}

impl<'a> At<'a> {
    fn item(self) -> &'a Item<'a> {
        &self.items[self.at]
    }

    /// Where what follows it begins.
    fn end(self) -> usize {
        match self.item() {
            Item::Array(span) | Item::Object(span) => span.end,
            _ => self.at + 1,
        }
    }
}

impl<'a> Node<'a, FlatJson> for At<'a> {
    type Object = Inside<'a>;
    type Array = Inside<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Inside<'a>> {
        match self.item() {
            Item::Object(span) => Some(Inside { of: *self, span: *span }),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Inside<'a>> {
        match self.item() {
            Item::Array(span) => Some(Inside { of: *self, span: *span }),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.item() {
            Item::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<&'a Number> {
        match self.item() {
            Item::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.item() {
            Item::Bool(value) => Some(*value),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.item(), Item::Null)
    }

    fn json_type(&self) -> JsonType {
        match self.item() {
            Item::Null => JsonType::Null,
            Item::Bool(_) => JsonType::Boolean,
            Item::Number(_) => JsonType::Number,
            Item::Text(_) => JsonType::String,
            Item::Array(_) => JsonType::Array,
            Item::Object(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.item(), expected) {
            (Item::Text(text), Value::String(expected)) => text == expected,
            (Item::Text(_), _) => false,
            _ => cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(match self.item() {
            Item::Null => Value::Null,
            Item::Bool(value) => Value::Bool(*value),
            Item::Number(number) => Value::Number(number.clone()),
            Item::Text(text) => Value::String(text.clone().into_owned()),
            Item::Array(_) => Items::of(*self).map(|item| item.to_value().into_owned()).collect(),
            Item::Object(_) => Value::Object(Map::from_iter(
                Fields::of(*self).map(|(name, value)| (name.to_owned(), value.to_value().into_owned())),
            )),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.item()) as usize))
    }
}

/// An array or object.
pub(super) struct Inside<'a> {
    of: At<'a>,
    span: Span,
}

impl<'a> Array<'a, FlatJson> for Inside<'a> {
    type Node = At<'a>;
    type ElementsIter = Items<'a>;

    fn len(&self) -> usize {
        self.span.len
    }

    fn elements(&self) -> Items<'a> {
        Items::of(self.of)
    }
}

impl<'a> Object<'a, FlatJson> for Inside<'a> {
    type Node = At<'a>;
    type MemberName = &'a str;
    type MembersIter = Fields<'a>;

    fn len(&self) -> usize {
        self.span.len
    }

    fn get(&self, key: &String) -> Option<At<'a>> {
        self.members().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn members(&self) -> Fields<'a> {
        Fields::of(self.of)
    }
}

/// What stands in an array, one after the other.
pub(super) struct Items<'a> {
    items: &'a [Item<'a>],
    at: usize,
}

impl<'a> Items<'a> {
    fn of(array: At<'a>) -> Self {
        Self { items: &array.items[..array.end()], at: array.at + 1 }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = At<'a>;

    fn next(&mut self) -> Option<At<'a>> {
        let found = (self.at < self.items.len()).then_some(At { items: self.items, at: self.at })?;
        self.at = found.end();
        Some(found)
    }
}

/// The fields of an object, one after the other.
pub(super) struct Fields<'a> {
    items: &'a [Item<'a>],
    at: usize,
}

impl<'a> Fields<'a> {
    fn of(object: At<'a>) -> Self {
        Self { items: &object.items[..object.end()], at: object.at + 1 }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, At<'a>);

    fn next(&mut self) -> Option<(&'a str, At<'a>)> {
        let Some(Item::Text(name)) = self.items.get(self.at) else { return None };
        let value = At { items: self.items, at: self.at + 1 };
        self.at = value.end();
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
    use serde_json::json;

    use super::*;
    use crate::schema::{Schema, parse};

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![Just("a".to_owned()), Just("b".to_owned()), "[a-c\"\\\\\u{e4}\n]{0,3}"]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0..4_u64).prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            texts().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map(texts(), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// One of each family of keywords, over fields that random values have.
    fn schemas() -> Vec<Value> {
        let node = json!({"$ref": "#/$defs/node"});
        vec![
            json!({"type": ["object", "array", "null", "integer"], "required": ["a"]}),
            json!({"properties": {"a": {"type": "string"}}, "additionalProperties": false}),
            json!({"items": {"enum": [1, "a", null, [], {"a": true}]}, "maxItems": 3, "uniqueItems": true}),
            json!({"propertyNames": {"maxLength": 1}, "patternProperties": {"^b": {"minimum": 0}}}),
            json!({"anyOf": [{"type": "array", "contains": {"const": "a"}}, {"minProperties": 2}, {"multipleOf": 2}]}),
            json!({"$defs": {"node": {"type": ["object", "null", "number"], "additionalProperties": node}}, "$ref": "#/$defs/node"}),
            json!({"properties": {"a": true}, "unevaluatedProperties": false, "not": {"required": ["b"]}}),
            json!({"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"maxProperties": 1}, "prefixItems": [true, false]}),
        ]
    }

    proptest! {
        #[test]
        fn what_is_read_flat_is_what_a_tree_has(value in values()) {
            let text = serde_json::to_vec(&value).unwrap();
            let flat = Flat::read(&text).unwrap();
            prop_assert_eq!(flat.root().to_value().into_owned(), parse(&text).unwrap());
        }

        #[test]
        fn a_flat_text_is_taken_where_its_value_is(value in values()) {
            for source in schemas() {
                let schema = Schema::compile(&source).unwrap();
                let text = serde_json::to_vec(&value).unwrap();
                prop_assert_eq!(schema.takes_as_it_is(&text), schema.is_valid(&value), "{}", source);
            }
        }

        #[test]
        fn any_bytes_are_read_as_a_tree_reads_them_or_not_at_all(
            text in r#"[\[\]{}",:\\a1e. u]{0,40}"#,
        ) {
            if let Some(flat) = Flat::read(text.as_bytes()) {
                prop_assert_eq!(flat.root().to_value().into_owned(), parse(text.as_bytes()).unwrap());
            }
        }
    }

    #[test]
    fn what_a_tree_must_tell_is_not_read() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Flat::read(nested(MAX_DEPTH).as_bytes()).is_some());
        let many: Map<_, _> = (0..=MAX_FIELDS).map(|n| (n.to_string(), json!(n))).collect();
        let refused = [
            &*nested(MAX_DEPTH + 1),
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": {"b": 1}, "b": 2, "a": 3}"#,
            "[1] 2",
            "[1,]",
            "1e999",
            "",
            r#""\ud800""#,
            &Value::Object(many).to_string(),
        ];
        for text in refused {
            assert!(Flat::read(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Flat::read(b"\"\xff\"").is_none());
        assert!(Flat::read(br#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}"#).is_some());
    }

    #[test]
    fn a_schema_with_defaults_looks_at_values() {
        let schema = Schema::compile(&json!({"properties": {"a": {"default": 1}}})).unwrap();
        assert!(!schema.takes_as_it_is(b"{}"));
    }
}
