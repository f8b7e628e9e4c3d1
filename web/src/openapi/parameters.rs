//! Parameters of an operation: of its path, of its query, and the headers that it reads.

use serde_json::{Value, json};
use tgs_protocol::dataset::DatasetName;

use super::{components::Components, tidying};
use crate::endpoint::{Endpoint, header::Form, shape};

pub fn of(endpoint: &Endpoint, components: &mut Components) -> Vec<Value> {
    let mut all = Vec::new();
    for name in names(endpoint.path) {
        let (schema, what) = of_path(name, components);
        all.push(json!({
            "name": name, "in": "path", "required": true, "description": what, "schema": schema,
        }));
    }
    if let Some(query) = endpoint.told.query {
        all.extend(of_query(&components.taken(query)));
    }
    all.extend(endpoint.told.reads.iter().map(|header| {
        json!({
            "name": header.name,
            "in": "header",
            "required": header.is_always,
            "description": header.what,
            "schema": schema(header.form),
        })
    }));
    all
}

/// What stands in a header.
pub fn schema(form: Form) -> Value {
    match form {
        Form::Text => json!({"type": "string"}),
        Form::Number => {
            json!({"type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX})
        }
        Form::Count => {
            json!({"type": "integer", "format": "uint64", "minimum": 1, "maximum": u64::MAX})
        }
        Form::Like(pattern) => json!({"type": "string", "pattern": pattern}),
    }
}

/// The names in braces.
fn names(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

/// What a name in a path stands for.
fn of_path(name: &str, components: &mut Components) -> (Value, &'static str) {
    let id = json!({"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"});
    match name {
        "job" => (id, "Name of a job."),
        "model" => (id, "Name of a model: that of the job that trained it."),
        "webhook" => (id, "Name of a webhook."),
        "subscription" => (id, "Name of a mail subscription."),
        "event" => (schema(Form::Number), "Number of an event."),
        "upload" => (id, "Name of an upload."),
        "dataset" => (components.taken(shape::<DatasetName>), "Name of a dataset."),
        "version" => {
            let number = json!({
                "type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX,
            });
            (number, "Number of a version.")
        }
        "file" => (json!({"type": "string", "pattern": "^[^/:]{1,255}$"}), "Name of a file."),
        _ => (id, "A name."),
    }
}

/// Fields of an object as parameters.
fn of_query(object: &Value) -> Vec<Value> {
    let required = object["required"].as_array().cloned().unwrap_or_default();
    let fields = object["properties"].as_object().cloned().unwrap_or_default();
    let one = |(name, mut schema): (String, Value)| {
        tidying::as_parameter(&mut schema);
        let what = schema.as_object_mut().and_then(|it| it.shift_remove("description"));
        let what = what.as_ref().and_then(Value::as_str).unwrap_or_default();
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&json!(name)),
            "description": tidying::without_links(what),
            "schema": schema,
        })
    };
    fields.into_iter().map(one).collect()
}
