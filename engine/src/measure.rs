//! Every measure of the report.
