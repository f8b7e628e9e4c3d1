//! Every measure of the report: fidelity, utility, privacy, validity, and the verdict of the gates.

pub mod association;
mod columns;
mod crew;
pub mod frame;
mod new_rows;
mod pair;
mod pairs;
mod picture;
mod row_key;
pub mod shape;

#[cfg(test)]
mod tests;
