//! The published constants as a named configuration.
