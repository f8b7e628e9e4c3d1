//! The flagship model.
