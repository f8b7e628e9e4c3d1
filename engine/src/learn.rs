//! Training state: flat parameters, AdamW, snapshots, numerics class.
