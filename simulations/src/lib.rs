//! The rules of `tgs-protocol` in a made-up world: no real time, no real dice, no I/O but traces.
//!
//! | to find | open |
//! |---|---|
//! | nodes, a store and people in bad weather, by seed | [`world`] |
//! | what decides such a world, as data | [`scenario`] |
//! | how a failing world is made small | [`shrink`] |
//! | spot markets from traces, and policies running on them | [`market`] |
//!
//! **Absent on purpose:** threads, clocks, sockets, compute. The same call gives the same answer.

pub mod dice;
pub mod market;
pub mod scenario;
pub mod shrink;
pub mod world;
