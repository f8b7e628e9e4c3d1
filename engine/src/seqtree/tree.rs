//! A grown tree in flat arrays: nodes that ask for a bin, leaves that hold codes to draw from.

/// `Node::column` of a leaf.
pub(super) const LEAF: u16 = u16::MAX;

/// One node. Children are neighbours, so that a comparison is an addition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    /// Place of the asked column in the order of columns, or [`LEAF`].
    pub column: u16,
    /// The left child, the right one is the next; of a leaf: its number.
    pub child: u32,
    /// Bins that go right.
    pub right: [u64; 4],
}

/// A tree for one column.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    /// Per leaf where its codes begin, and where those begin that may be moved; then the end.
    pub leaves: Vec<u32>,
    /// Codes of the training rows, leaf by leaf; movable ones ascending.
    pub codes: Vec<u32>,
}

impl Tree {
    /// The leaf where a row of bins ends.
    #[inline]
    pub(super) fn leaf(&self, bins: &[u8]) -> usize {
        let mut node = &self.nodes[0];
        while node.column != LEAF {
            let bin = bins[node.column as usize];
            let right = node.right[(bin >> 6) as usize] >> (bin & 63) & 1;
            node = &self.nodes[node.child as usize + right as usize];
        }
        node.child as usize
    }

    /// (first code, first movable code, end) of a leaf.
    #[inline]
    pub(super) fn held(&self, leaf: usize) -> (usize, usize, usize) {
        let leaves = &self.leaves[2 * leaf..2 * leaf + 3];
        (leaves[0] as usize, leaves[1] as usize, leaves[2] as usize)
    }

    /// Whether what came from a file can be used: sampling must neither panic nor turn in circles.
    /// The tree may ask the first `columns` columns, codes are at most `missing`, movable ones
    /// below it.
    pub(super) fn is_whole(&self, columns: usize, missing: u32) -> bool {
        let leaf_count = self.leaves.len() / 2;
        let ends = self.leaves.len() == 2 * leaf_count + 1
            && self.leaves.first() == Some(&0)
            && self.leaves.last().is_some_and(|end| *end as usize == self.codes.len())
            && self.leaves.windows(2).all(|pair| pair[0] <= pair[1])
            && (0..leaf_count).all(|leaf| self.leaves[2 * leaf] < self.leaves[2 * leaf + 2]);
        let nodes = self.nodes.iter().enumerate().all(|(at, node)| match node.column {
            LEAF => (node.child as usize) < leaf_count,
            column => {
                let child = node.child as usize;
                usize::from(column) < columns && child > at && child + 1 < self.nodes.len()
            }
        });
        let drawn = self.codes.iter().all(|code| *code <= missing);
        let movable = || {
            (0..leaf_count).all(|leaf| {
                let (_, movable, end) = self.held(leaf);
                self.codes[movable..end].iter().all(|code| *code < missing)
            })
        };
        ends && nodes && drawn && !self.nodes.is_empty() && movable()
    }
}
