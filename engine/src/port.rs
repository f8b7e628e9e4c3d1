//! The engine port of protocol.
