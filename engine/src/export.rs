//! Writers of synthetic tables.
