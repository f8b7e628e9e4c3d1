//! Shapes of the document, each once and by name. What is sent and what is answered differ in which
//! fields may be left out, so both have a generator; a name that both know must mean the same.

use schemars::{
    SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value};

use super::tidying;
use crate::endpoint::Shape;

/// The shapes that were asked for so far.
pub struct Components {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Components {
    pub fn new() -> Self {
        Self { sent: generator(Contract::Deserialize), answered: generator(Contract::Serialize) }
    }

    /// How something that is sent looks.
    pub fn taken(&mut self, shape: Shape) -> Value {
        shape(&mut self.sent).to_value()
    }

    /// How something that is answered looks.
    pub fn given(&mut self, shape: Shape) -> Value {
        shape(&mut self.answered).to_value()
    }

    /// All of them, by name.
    pub fn schemas(mut self) -> Map<String, Value> {
        let mut all: std::collections::BTreeMap<String, Value> = self.taken_definitions();
        for (name, schema) in self.answered.take_definitions(true) {
            if let Some(known) = all.get(&name).filter(|known| **known != schema) {
                panic!(
                    "{name} is sent as {known} and answered as {schema}; give one a name of its own"
                );
            }
            all.insert(name, schema);
        }
        tidying::tidied(all)
    }

    fn taken_definitions(&mut self) -> std::collections::BTreeMap<String, Value> {
        self.sent.take_definitions(true).into_iter().collect()
    }
}

fn generator(contract: Contract) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.contract = contract;
    settings.into_generator()
}
