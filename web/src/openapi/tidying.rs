//! From what is derived of Rust types to what a code generator wants: enumerations as such,
//! alternatives by name with their discriminator, words without the marks of Rust's own pages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Every shape by name, and the alternatives that got a name of their own.
pub fn tidied(shapes: BTreeMap<String, Value>) -> Map<String, Value> {
    let mut all = BTreeMap::new();
    for (name, mut shape) in shapes {
        for_each_object(&mut shape, &mut as_enumeration);
        for_each_object(&mut shape, &mut in_plain_words);
        for_each_object(&mut shape, &mut within_its_format);
        for (alternative, schema) in alternatives(&name, &mut shape) {
            all.insert(alternative, schema);
        }
        all.insert(name, shape);
    }
    all.into_iter().collect()
}

/// Takes null out of what a value may be: a parameter is left out instead.
fn without_null(schema: &mut Value) {
    let is_null = |it: &Value| *it == json!("null") || *it == json!({"type": "null"});
    if let Some(kinds) = schema["type"].as_array() {
        let left: Vec<_> = kinds.iter().filter(|it| !is_null(it)).cloned().collect();
        if let [only] = left.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let left: Vec<_> = any.iter().filter(|it| !is_null(it)).cloned().collect();
        if let ([only], Some(fields)) = (left.as_slice(), schema.as_object()) {
            let mut merged = only.clone();
            if let (Some(into), Some(what)) = (merged.as_object_mut(), fields.get("description")) {
                into.insert("description".to_owned(), what.clone());
            }
            *schema = merged;
        }
    }
}

/// The text as it reads on a page of its own: ``[`Gates`]`` is `Gates`, in code.
pub fn without_links(text: &str) -> String {
    let mut plain = text.replace("[`", "`").replace("`]", "`");
    while let (Some(from), true) = (plain.find("`("), plain.contains("crate::")) {
        let Some(length) = plain[from..].find(')') else { break };
        plain.replace_range(from + 1..=from + length, "");
    }
    plain
}

/// Takes a parameter as it may be sent.
pub fn as_parameter(schema: &mut Value) {
    without_null(schema);
    for_each_object(schema, &mut within_its_format);
}

fn for_each_object(schema: &mut Value, act: &mut impl FnMut(&mut Map<String, Value>)) {
    match schema {
        Value::Object(fields) => {
            act(fields);
            fields.values_mut().for_each(|field| for_each_object(field, act));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_object(item, act)),
        _ => {}
    }
}

/// Not everybody reads the largest number off the name of a format.
fn within_its_format(fields: &mut Map<String, Value>) {
    if fields.get("format") == Some(&json!("uint")) {
        fields.insert("format".to_owned(), "uint64".into());
    }
    let maximum = match fields.get("format").and_then(Value::as_str) {
        Some("uint64") => u64::MAX,
        Some("uint32") => u64::from(u32::MAX),
        _ => return,
    };
    fields.entry("maximum").or_insert_with(|| maximum.into());
}

fn in_plain_words(fields: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = without_links(text);
    }
}

/// `oneOf` over constant texts is an enumeration; the words of each go into the description.
fn as_enumeration(fields: &mut Map<String, Value>) {
    let Some(branches) = fields.get("oneOf").and_then(Value::as_array) else { return };
    let mut values = Vec::new();
    let mut words = Vec::new();
    for branch in branches {
        let known = branch["enum"].as_array().cloned().unwrap_or_default();
        let constant = branch.get("const").cloned();
        if branch["type"] != "string" || known.is_empty() && constant.is_none() {
            return;
        }
        if let (Some(Value::String(value)), Some(what)) =
            (&constant, branch["description"].as_str())
        {
            words.push(format!("- `{value}`: {what}"));
        }
        values.extend(known.into_iter().chain(constant));
    }
    let what = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let told = format!("{what}\n\n{}", words.join("\n"));
    fields.shift_remove("oneOf");
    fields.insert("description".to_owned(), told.trim().into());
    fields.insert("type".to_owned(), "string".into());
    fields.insert("enum".to_owned(), values.into());
}

/// Gives the alternatives of a shape that one of their fields tells apart names of their own.
fn alternatives(name: &str, shape: &mut Value) -> Vec<(String, Value)> {
    let Some(branches) = shape["oneOf"].as_array().cloned() else { return Vec::new() };
    let Some(tag) = tag_of(&branches) else { return Vec::new() };
    let (mut mapping, mut refs, mut named) = (Map::new(), Vec::new(), Vec::new());
    for branch in branches {
        let value = branch["properties"][&tag]["const"].as_str().unwrap_or_default().to_owned();
        let own = format!("{name}{}", pascal(&value));
        let place = format!("#/components/schemas/{own}");
        mapping.insert(value, place.clone().into());
        refs.push(json!({"$ref": place}));
        named.push((own, branch));
    }
    shape["oneOf"] = refs.into();
    shape["discriminator"] = json!({"propertyName": tag, "mapping": mapping});
    named
}

/// The field that has a constant of its own in each of these.
fn tag_of(branches: &[Value]) -> Option<String> {
    let constant = |branch: &Value, field: &str| branch["properties"][field]["const"].is_string();
    let fields = branches.first()?["properties"].as_object()?;
    let is_tag = |field: &&String| branches.iter().all(|branch| constant(branch, field));
    fields.keys().find(is_tag).cloned()
}

/// `job.stage_began` as `JobStageBegan`.
fn pascal(text: &str) -> String {
    let words = text.split(['.', '_', '-']);
    let upper = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_become_an_enumeration_with_their_words() {
        let mut shape = json!({"description": "How.", "oneOf": [
            {"type": "string", "enum": ["a"]},
            {"type": "string", "const": "b", "description": "The second."},
        ]});
        for_each_object(&mut shape, &mut as_enumeration);
        let wanted = json!({
            "description": "How.\n\n- `b`: The second.", "type": "string", "enum": ["a", "b"],
        });
        assert_eq!(shape, wanted);
    }

    #[test]
    fn alternatives_are_told_apart_by_name() {
        let branch =
            |kind: &str| json!({"type": "object", "properties": {"kind": {"const": kind}}});
        let shapes =
            BTreeMap::from([("Order".to_owned(), json!({"oneOf": [branch("a"), branch("b_c")]}))]);
        let all = tidied(shapes);
        assert_eq!(all["Order"]["discriminator"]["propertyName"], "kind");
        let place = &all["Order"]["discriminator"]["mapping"]["b_c"];
        assert_eq!(place, "#/components/schemas/OrderBC");
        assert_eq!(all["OrderBC"], branch("b_c"));
    }

    #[test]
    fn words_lose_the_marks_of_rust() {
        assert_eq!(without_links("see [`Gates`] for it"), "see `Gates` for it");
        let linked = "What [`happenings`](crate::event::happenings) finds.";
        assert_eq!(without_links(linked), "What `happenings` finds.");
    }

    #[test]
    fn a_parameter_is_never_null() {
        let mut one = json!({"type": ["integer", "null"], "minimum": 0});
        without_null(&mut one);
        assert_eq!(one, json!({"type": "integer", "minimum": 0}));
        let mut other = json!({"anyOf": [{"$ref": "#/x"}, {"type": "null"}], "description": "d"});
        without_null(&mut other);
        assert_eq!(other, json!({"$ref": "#/x", "description": "d"}));
    }
}
