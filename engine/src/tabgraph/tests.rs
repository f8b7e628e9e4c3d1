//! Whole runs of the flagship on small tables.
