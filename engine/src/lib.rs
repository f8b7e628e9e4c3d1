//! Tables in, synthetic tables out. Plain threads, no async; every result is a function of its
//! order.
//!
//! | to find | open |
//! |---|---|
//! | a table in memory | [`table`] |
//! | the canonical dataset folder | [`dataset`] |
//! | ids and texts, made anew | [`generated`] |
//! | readers: CSV, Parquet, JSON lines, Excel | [`ingest`] |
//! | profile of a table | [`profile`] |
//! | counter-based random numbers | [`random`] |
//! | gradient-boosted trees | `boost` |
//! | constants of a model: merged, bounded, refused | `constants` |
//! | the file form of models and snapshots | `container` |
//! | moments that follow each other, kept in order | `order_of_moments` |
//! | rows under conditions | [`given`] |
//! | flat parameters, AdamW, numerics class, training runs | [`learn`] |
//! | models behind [`model`] | [`tabgraph`], [`autoregressive`], [`seqtree`], [`original`], |
//! | | [`ctgan`], [`tvae`] |
//! | the best model for a table | [`auto`] |
//! | numbers told mode by mode | `modes` |
//! | writers: CSV, Parquet, JSON lines | [`export`] |
//! | every measure of the report | [`measure`] |
//! | the HTML page | [`page`] |
//! | the port of `protocol` | [`port`] |

mod association;
pub mod auto;
pub mod autoregressive;
mod boost;
mod constants;
mod container;
pub mod ctgan;
pub mod dataset;
pub mod export;
pub mod generated;
pub mod given;
pub mod ingest;
pub mod learn;
pub mod measure;
pub mod model;
mod modes;
mod order_of_moments;
pub mod original;
mod own_numbers;
pub mod page;
pub mod port;
pub mod profile;
pub mod random;
pub mod seqtree;
pub mod tabgraph;
pub mod table;
#[cfg(test)]
mod testing;
pub mod tvae;
