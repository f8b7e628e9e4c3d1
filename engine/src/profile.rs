//! Profile of a table.
