//! Filling in the fields that were left out and have a default.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::parse::MAX_DEPTH;

/// How many values are looked at before the rest is left as it is.
const MAX_STEPS: usize = 1_000_000;
/// How many references in a row are followed.
const MAX_CHAIN: usize = 32;

/// Where defaults go: the parts of a schema under which there are any, so that nothing else is looked at.
#[derive(Debug)]
pub(super) struct Plan(Vec<Node>);

/// What a schema object fills in; other nodes are named by their place in the plan.
#[derive(Debug, Default)]
struct Node {
    /// For the same value.
    parts: Vec<usize>,
    /// For the fields of an object: the default, and what is filled in within a value that is there.
    fields: Vec<(String, Option<Value>, Option<usize>)>,
    /// For the fields of an object that have none of these names.
    rest: Option<(usize, BTreeSet<String>)>,
    /// For the first items of an array, and for the others.
    first: Vec<Option<usize>>,
    items: Option<usize>,
}

impl Plan {
    /// The plan of a schema, if it has defaults that are reached; `resolve` follows a local reference.
    pub(super) fn of<'s>(
        source: &'s Value,
        ref_stands_alone: bool,
        resolve: impl Fn(&str) -> Option<&'s Value>,
    ) -> Option<Self> {
        let mut survey = Survey::default();
        survey.id(source);
        let mut nodes = Vec::new();
        while let Some(schema) = survey.schemas.get(nodes.len()).copied() {
            nodes.push(survey.node(schema, ref_stands_alone, &resolve));
        }
        Self(nodes).pruned()
    }

    /// Without what fills in nothing.
    fn pruned(mut self) -> Option<Self> {
        let mut above = vec![Vec::new(); self.0.len()];
        for (id, node) in self.0.iter().enumerate() {
            node.below().for_each(|below| above[below].push(id));
        }
        let fills = |node: &Node| node.fields.iter().any(|(_, default, _)| default.is_some());
        let mut open: Vec<usize> = (0..self.0.len()).filter(|id| fills(&self.0[*id])).collect();
        let mut useful = vec![false; self.0.len()];
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut useful[id], true) {
                open.extend(&above[id]);
            }
        }
        for node in &mut self.0 {
            node.prune(|id| useful[id]);
        }
        useful[0].then_some(self)
    }

    /// Fills in what is absent; true if anything was.
    pub(super) fn fill(&self, input: &mut Value) -> bool {
        let mut filling = Filling { plan: self, steps: MAX_STEPS, filled: false };
        filling.node(0, input, 0, 0);
        filling.filled
    }
}

impl Node {
    fn below(&self) -> impl Iterator<Item = usize> {
        let fields = self.fields.iter().filter_map(|(_, _, below)| *below);
        let rest = self.rest.iter().map(|(rest, _)| *rest);
        self.parts
            .iter()
            .copied()
            .chain(fields)
            .chain(rest)
            .chain(self.first.iter().copied().flatten())
            .chain(self.items)
    }

    fn prune(&mut self, is_useful: impl Fn(usize) -> bool) {
        let keep = |id: &mut Option<usize>| *id = id.filter(|id| is_useful(*id));
        self.parts.retain(|id| is_useful(*id));
        self.fields.iter_mut().for_each(|(_, _, below)| keep(below));
        self.fields.retain(|(_, default, below)| default.is_some() || below.is_some());
        self.rest.take_if(|(rest, _)| !is_useful(*rest));
        self.first.iter_mut().for_each(keep);
        keep(&mut self.items);
    }
}

/// The schemas that were met, in the order of their numbers.
#[derive(Default)]
struct Survey<'s> {
    schemas: Vec<&'s Value>,
    known: HashMap<usize, usize>,
}

impl<'s> Survey<'s> {
    fn id(&mut self, schema: &'s Value) -> usize {
        let next = self.schemas.len();
        let id = *self.known.entry(std::ptr::from_ref(schema) as usize).or_insert(next);
        if id == next {
            self.schemas.push(schema);
        }
        id
    }

    fn node(
        &mut self,
        schema: &'s Value,
        ref_stands_alone: bool,
        resolve: &impl Fn(&str) -> Option<&'s Value>,
    ) -> Node {
        let mut node = Node::default();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            node.parts.extend(resolve(reference).map(|target| self.id(target)));
            if ref_stands_alone {
                return node;
            }
        }
        let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        node.parts.extend(list("allOf").into_iter().flatten().map(|part| self.id(part)));
        for alternatives in ["anyOf", "oneOf"].into_iter().filter_map(list) {
            let mut forms =
                alternatives.iter().filter(|form| form.get("type").is_none_or(|name| name != "null"));
            if let (Some(form), None) = (forms.next(), forms.next()) {
                node.parts.push(self.id(form));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            node.fields.push((name.clone(), property.get("default").cloned(), Some(self.id(property))));
        }
        if let Some(rest) = schema.get("additionalProperties").filter(|rest| rest.is_object()) {
            let names = properties.into_iter().flatten().map(|(name, _)| name.clone());
            node.rest = Some((self.id(rest), names.collect()));
        }
        let first = list("prefixItems").or_else(|| list("items"));
        node.first = first.into_iter().flatten().map(|item| Some(self.id(item))).collect();
        node.items = schema.get("items").filter(|rest| rest.is_object()).map(|rest| self.id(rest));
        node
    }
}

struct Filling<'p> {
    plan: &'p Plan,
    steps: usize,
    filled: bool,
}

impl Filling<'_> {
    fn node(&mut self, id: usize, input: &mut Value, depth: usize, chain: usize) {
        if self.steps == 0 || depth > MAX_DEPTH || chain > MAX_CHAIN {
            return;
        }
        self.steps -= 1;
        let node = &self.plan.0[id];
        for part in &node.parts {
            self.node(*part, input, depth, chain + 1);
        }
        match input {
            Value::Object(fields) => {
                if let Some((rest, known)) = &node.rest {
                    for (_, field) in fields.iter_mut().filter(|(name, _)| !known.contains(*name)) {
                        self.node(*rest, field, depth + 1, 0);
                    }
                }
                for (name, default, below) in &node.fields {
                    match (fields.get_mut(name), default, below) {
                        (Some(field), _, Some(below)) => self.node(*below, field, depth + 1, 0),
                        (None, Some(default), _) => {
                            fields.insert(name.clone(), default.clone());
                            self.filled = true;
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    match node.first.get(index).copied().unwrap_or(node.items) {
                        Some(below) => self.node(below, item, depth + 1, 0),
                        None if index >= node.first.len() => return,
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::schema::Schema;

    use super::*;

    fn filled(schema: Value, mut input: Value) -> Option<Value> {
        Schema::compile(&schema).unwrap().fill_defaults(&mut input).then_some(input)
    }

    #[test]
    fn absent_fields_are_filled_and_given_ones_kept() {
        let schema = json!({"properties": {"a": {"default": 1}, "b": {"default": null}, "c": {}}});
        assert_eq!(filled(schema.clone(), json!({})), Some(json!({"a": 1, "b": null})));
        assert_eq!(filled(schema.clone(), json!({"a": null, "b": 2})), None);
        assert_eq!(filled(schema, json!([1])), None);
        assert_eq!(filled(json!({"properties": {"a": {}}}), json!({})), None);
    }

    #[test]
    fn nested_objects_are_filled_through_references_arrays_and_options() {
        let schema = json!({
            "properties": {
                "tile": {"$ref": "#/$defs/Tile"}, "option": {"anyOf": [{"$ref": "#/$defs/Tile"}, {"type": "null"}]},
                "many": {"items": {"$ref": "#/$defs/Tile"}}, "named": {"additionalProperties": {"$ref": "#/$defs/Tile"}},
                "pair": {"prefixItems": [true, {"$ref": "#/$defs/Tile"}]}, "both": {"allOf": [{"$ref": "#/$defs/Tile"}]},
                "either": {"oneOf": [{"$ref": "#/$defs/Tile"}, {"properties": {"other": {"default": 1}}}]}
            },
            "$defs": {"Tile": {"properties": {"size": {"default": 256}}}}
        });
        let input = json!({"tile": {}, "option": {}, "many": [{}, {"size": 1}], "named": {"x": {}}, "pair": [{}, {}],
            "both": {}, "either": {}});
        let tile = json!({"size": 256});
        let expected = json!({"tile": tile, "option": tile, "many": [tile, {"size": 1}], "named": {"x": tile},
            "pair": [{}, tile], "both": tile, "either": {}});
        assert_eq!(filled(schema.clone(), input), Some(expected));
        assert_eq!(filled(schema, json!({"option": null})), None);
    }

    #[test]
    fn a_type_whose_default_holds_itself_ends() {
        let schema = json!({"$ref": "#/$defs/T", "$defs": {"T": {"properties": {"next": {"$ref": "#/$defs/T", "default": {}}}}}});
        assert_eq!(filled(schema, json!({})), Some(json!({"next": {}})));
        assert_eq!(
            filled(json!({"$ref": "#", "properties": {"a": {"default": 1}}}), json!({})),
            Some(json!({"a": 1}))
        );
    }
}
