//! What texts and numbers of a form of their own look like: serde sees only that they are read from
//! a text. Everything else derives its schema where it stands.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::DatasetRef;
use crate::{
    dataset::{DatasetName, ENDINGS, PACKINGS, TableEnding, is_packed_text},
    digest::Digest,
    limits::{
        DATASET_NAME_BYTES_MAX, MAIL_ADDRESS_BYTES_MAX, NOTICE_URL_BYTES_MAX, PRIORITY_MAX,
        REGION_BYTES_MAX, REGIONS_MAX,
    },
    notification::{MailAddress, SigningSecret, WebhookUrl},
    queue::Priority,
    residency::Residency,
};

/// A budget as people write it: parts from hours to seconds, or bare seconds.
pub const BUDGET_PATTERN: &str = "^([0-9]{1,6}|[0-9]{1,3}h([0-9]{1,4}m)?([0-9]{1,5}s)?\
                                  |[0-9]{1,4}m([0-9]{1,5}s)?|[0-9]{1,6}s)$";

/// Names of files whose ending says what they hold.
pub fn table_file_pattern() -> String {
    format!("^[^/]{{0,200}}\\.({})$", endings().join("|").replace('.', "\\."))
}

/// Tokens of pages of jobs and models.
pub const JOB_PAGE_PATTERN: &str = "^[0-9a-f]{1,16}\\.[0-9A-Za-z_-]{1,64}$";

/// Tokens of pages of what events brought about.
pub const EVENT_PAGE_PATTERN: &str = "^e[0-9a-f]{1,16}$";

macro_rules! schemas {
    ($($name:ident => $schema:expr;)*) => {
        $(impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

schemas! {
    Digest => json_schema!({
        "description": "SHA-256 in hexadecimal.",
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
    });
    DatasetName => json_schema!({
        "description": "Name of a dataset.",
        "type": "string",
        "pattern": name_pattern(""),
    });
    DatasetRef => json_schema!({
        "description": "A dataset: `trial`, its newest version, or `trial@3`.",
        "type": "string",
        "pattern": name_pattern("(@[0-9]{1,9})?"),
    });
    TableEnding => json_schema!({
        "description": "What a table's file ends in, which says how it is read.",
        "type": "string",
        "enum": endings(),
    });
    WebhookUrl => json_schema!({
        "description": "An address of the web, without a name and password in it.",
        "type": "string",
        "format": "uri",
        "pattern": "^https?://[^/?#@]+([/?][^#]*)?$",
        "maxLength": NOTICE_URL_BYTES_MAX,
    });
    MailAddress => json_schema!({
        "description": "A mailbox.",
        "type": "string",
        "pattern": "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$",
        "maxLength": MAIL_ADDRESS_BYTES_MAX,
    });
    SigningSecret => json_schema!({
        "description": "What signs webhooks: 24 to 64 bytes in base64.",
        "type": "string",
        "pattern": "^whsec_[0-9A-Za-z+/]{32,86}={0,2}$",
    });
    Residency => json_schema!({
        "description": "Regions that data may be in; all of them if none is named.",
        "type": "array",
        "items": { "type": "string", "pattern": format!("^{}$", region_pattern()) },
        "maxItems": REGIONS_MAX,
        "uniqueItems": true,
    });
    Priority => json_schema!({
        "description": "How urgent a job is; more is sooner.",
        "type": "integer",
        "minimum": 0,
        "maximum": PRIORITY_MAX,
    });
}

fn name_pattern(then: &str) -> String {
    format!("^[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}{then}$", DATASET_NAME_BYTES_MAX - 1)
}

/// Regions with commas between.
pub fn regions_pattern() -> String {
    let region = region_pattern();
    format!("^({region}(,{region}){{0,{}}})?$", REGIONS_MAX - 1)
}

fn region_pattern() -> String {
    format!("[A-Za-z0-9._-]{{1,{REGION_BYTES_MAX}}}")
}

fn endings() -> Vec<String> {
    let packed = ENDINGS.iter().filter(|ending| is_packed_text(ending));
    let packed = packed.flat_map(|it| PACKINGS.map(|packing| format!("{it}.{packing}")));
    ENDINGS.iter().map(|it| (*it).to_owned()).chain(packed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::parse_budget;

    #[test]
    fn every_ending_that_is_told_is_taken_and_budgets_fit_their_pattern() {
        for ending in endings() {
            assert!(TableEnding::try_from(ending.clone()).is_ok(), "{ending}");
        }
        assert!(table_file_pattern().contains("|csv\\.gz|"), "{}", table_file_pattern());
        for budget in ["300", "90s", "5m", "1h30m", "1h30s", "1h0m5s"] {
            assert!(parse_budget(budget).is_ok(), "{budget}");
        }
    }
}
