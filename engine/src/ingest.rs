//! Readers of sources.
