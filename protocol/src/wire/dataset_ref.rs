//! How an order names a dataset.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{code::Code, dataset::DatasetName, refusal::Refusal};

/// A dataset as orders name it: `trial`, its newest version, or `trial@3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatasetRef {
    /// Which dataset.
    pub dataset: DatasetName,
    /// Which version; the newest if none.
    pub version: Option<u32>,
}

impl FromStr for DatasetRef {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let number = |text: &str| {
            text.parse().map_err(|_| {
                let message = format!("cannot find {text:?}: a version is a number, as in trial@3");
                Refusal::new(Code::BadRequest, message)
            })
        };
        Ok(Self { dataset: name.parse()?, version: version.map(number).transpose()? })
    }
}

impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.dataset),
            None => self.dataset.fmt(f),
        }
    }
}

impl TryFrom<String> for DatasetRef {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<DatasetRef> for String {
    fn from(named: DatasetRef) -> Self {
        named.to_string()
    }
}
