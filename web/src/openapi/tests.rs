//! The document is frozen, whole, and made of everything that is served.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;

const FROZEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// The document in the repository is the one that is served. Set `TGS_BLESS=1` to write it anew.
#[test]
fn the_document_is_frozen() {
    let mut wanted = serde_json::to_string_pretty(&document(&route::endpoints())).expect("JSON");
    wanted.push('\n');
    if std::env::var_os("TGS_BLESS").is_some() {
        fs::write(FROZEN, &wanted).expect("the document is writable");
    }
    let found = fs::read_to_string(FROZEN).unwrap_or_default();
    let differ = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "docs/openapi.json is not the document that is served (from line {}); if the change is \
         meant: TGS_BLESS=1 cargo test --release -p tgs-web openapi",
        differ.unwrap_or_else(|| found.lines().count().min(wanted.lines().count())) + 1,
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_shape_is_used() {
    let document = document(&route::endpoints());
    let mut used = BTreeSet::new();
    collect(&document, &mut used);
    let known = document["components"]["schemas"].as_object().expect("shapes");
    let known: BTreeSet<_> =
        known.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(used, known);
}

fn collect(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            used.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, used));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, used)),
        _ => {}
    }
}

#[test]
fn operations_have_names_of_their_own_and_say_how_they_answer() {
    let mut names = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for endpoint in route::endpoints() {
        let told = &endpoint.told;
        let is_name = told.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(is_name && names.insert(told.id), "{}: taken or no name", told.id);
        assert!(told.summary.ends_with('.') && !told.answers.is_empty(), "{}", told.id);
        let address = format!("{} {}", endpoint.method, endpoint.path);
        assert!(addresses.insert(address.clone()), "{address}: twice");
        let is_below = endpoint.path.starts_with("/v1/");
        assert!(told.is_open || is_below, "{}: what needs a token stands below /v1", told.id);
    }
}

/// What is served comes from endpoints alone: nobody registers an address beside them.
#[test]
fn addresses_are_registered_in_one_place() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("our own folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                look(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("endpoint.rs")
                && !path.ends_with("openapi/tests.rs")
            {
                let text = fs::read_to_string(&path).expect("our own file");
                let registers = [".route(", "resource(", ".service("];
                found.extend(
                    registers.iter().flat_map(|it| {
                        text.matches(it).map(|it| format!("{}: {it}", path.display()))
                    }),
                );
            }
        }
    }
    let mut found = Vec::new();
    look(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    // The one scope that asks for the token.
    assert_eq!(found.len(), 1, "describe them as endpoints instead: {found:#?}");
    assert!(found[0].ends_with("server.rs: .service("), "{found:#?}");
}
