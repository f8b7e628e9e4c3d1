//! The canonical dataset folder: agreed columns, training rows, holdout rows.
