//! Kills, drains, cancels.
