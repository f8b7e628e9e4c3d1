//! A forest in a model file: its trees one after the other in flat arrays.

use tgs_protocol::engine::EngineError;

use super::{
    BINS_MAX, Forest,
    tree::{Node, Split, Tree},
};
use crate::container::{Array, Container};

/// The feature of a leaf.
const LEAF: u16 = u16::MAX;
const WORDS: usize = BINS_MAX / 64;

impl Forest {
    /// Puts it into a file.
    pub(crate) fn put(&self, name: &str, arrays: &mut Vec<(String, Array)>) {
        let (mut ends, mut features, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lefts, mut values) = (Vec::new(), Vec::new());
        #[expect(clippy::cast_possible_truncation, reason = "columns and nodes are bounded")]
        for tree in self.trees.iter().flatten() {
            for node in &tree.nodes {
                match node {
                    Node::Leaf(value) => {
                        features.push(LEAF);
                        values.push(*value);
                    }
                    Node::Split(split, second) => {
                        features.push(split.feature as u16);
                        seconds.push(*second as u32);
                        lefts.extend(split.left);
                    }
                }
            }
            ends.push(features.len() as u32);
        }
        let mut put = |part: &str, array| arrays.push((format!("{name}.{part}"), array));
        put("base", Array::list(&self.base));
        put("ends", Array::list(&ends));
        put("features", Array::list(&features));
        put("seconds", Array::list(&seconds));
        put("lefts", Array::list(&lefts));
        put("values", Array::list(&values));
    }

    /// Takes out of a file what [`Forest::put`] put into it: of so many outputs, over so many
    /// features; of classes or of numbers.
    ///
    /// # Errors
    /// As [`Container::refuse`], when scoring could panic or turn in circles.
    pub(crate) fn take<R>(
        name: &str,
        file: &mut Container<R>,
        (outputs, width, logistic): (usize, usize, bool),
    ) -> Result<Self, EngineError> {
        let part = |part: &str| format!("{name}.{part}");
        let base: Vec<f64> = file.take_exactly(&part("base"), outputs)?;
        let ends: Vec<u32> = file.take(&part("ends"))?;
        let features: Vec<u16> = file.take(&part("features"))?;
        let seconds: Vec<u32> = file.take(&part("seconds"))?;
        let lefts: Vec<u64> = file.take(&part("lefts"))?;
        let values: Vec<f64> = file.take(&part("values"))?;
        let mut splits = seconds.into_iter().zip(lefts.as_chunks::<WORDS>().0);
        let mut values = values.into_iter();
        let mut nodes = features.into_iter().map(|feature| match feature {
            LEAF => values.next().filter(|value| value.is_finite()).map(Node::Leaf),
            feature => splits.next().map(|(second, left)| {
                Node::Split(Split { feature: feature.into(), left: *left }, second as usize)
            }),
        });
        let mut trees = Vec::with_capacity(ends.len());
        let mut begin = 0;
        for end in ends {
            let count = (end as usize).saturating_sub(begin);
            let of_tree = nodes.by_ref().take(count).collect::<Option<Vec<Node>>>();
            let tree = of_tree
                .map(|nodes| Tree { nodes })
                .filter(|tree| tree.nodes.len() == count && tree.is_whole(width));
            trees.push(tree.ok_or_else(|| file.refuse("a boosted tree is not whole"))?);
            begin = end as usize;
        }
        if outputs == 0 || !trees.len().is_multiple_of(outputs) {
            return Err(file.refuse("a round of boosting lacks a tree"));
        }
        let trees = trees.chunks(outputs).map(<[Tree]>::to_vec).collect();
        Ok(Self { base, trees, logistic })
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::model::ModelName;

    use super::*;
    use crate::{
        boost::{BoostConfig, Feature, Target},
        container::{FileKind, read, write},
        random::{Purpose, Stream},
    };

    const KIND: FileKind = FileKind::Model(ModelName::Tabgraph);

    fn forest(count: usize) -> (Forest, Vec<Feature>) {
        let mut dice = Stream::new(7, Purpose::Test, 3);
        let bins: Vec<u8> = (0..500).map(|_| dice.below(40) as u8).collect();
        let of = bins.iter().map(|bin| u32::from(*bin) % count as u32).collect();
        let features = vec![Feature { bins, count: 40, ordered: false }];
        let config = BoostConfig { rounds: 5, column_share: 1.0, ..BoostConfig::default() };
        let dice = |round| Stream::new(7, Purpose::Test, 10 + round);
        let target = Target::Classes { of, count };
        let forest = Forest::fit(&features, &target, &config, &dice, &|| false).expect("grows");
        (forest, features)
    }

    fn taken(
        arrays: Vec<(String, Array)>,
        shape: (usize, usize, bool),
    ) -> Result<Forest, EngineError> {
        let bytes = write(KIND, &(), arrays).expect("writes");
        Forest::take("it", &mut read::<()>(KIND, &bytes).expect("reads"), shape)
    }

    #[test]
    fn a_forest_comes_back() {
        for (count, outputs) in [(2, 1), (3, 3)] {
            let (forest, features) = forest(count);
            let mut arrays = Vec::new();
            forest.put("it", &mut arrays);
            let back = taken(arrays, (outputs, 1, true)).expect("is whole");
            assert_eq!(back.trees(), 5 * outputs);
            assert_eq!(back.predictions(&features, 500), forest.predictions(&features, 500));
        }
    }

    #[test]
    fn what_could_not_be_scored_is_refused() {
        let arrays = || {
            let mut arrays = Vec::new();
            forest(2).0.put("it", &mut arrays);
            arrays
        };
        assert!(taken(arrays(), (1, 1, true)).is_ok());
        assert!(taken(arrays(), (2, 1, true)).is_err(), "too few outputs");
        assert!(taken(arrays(), (1, 0, true)).is_err(), "a column that is not there");
        let with = |name: &str, array: Array| {
            let mut arrays = arrays();
            let at = arrays.iter().position(|(of, _)| of == name).expect("is there");
            arrays[at].1 = array;
            taken(arrays, (1, 1, true))
        };
        for (name, array) in [
            ("it.seconds", Array::list(&[0_u32; 500])),
            ("it.seconds", Array::list(&[u32::MAX; 500])),
            ("it.seconds", Array::list::<u32>(&[])),
            ("it.values", Array::list(&[f64::NAN; 500])),
            ("it.values", Array::list::<f64>(&[])),
            ("it.ends", Array::list(&[9_u32, 3, 20, 30, 40])),
            ("it.lefts", Array::list::<u64>(&[])),
        ] {
            assert!(with(name, array).is_err(), "{name}");
        }
    }
}
