//! Chain of histogram trees.
