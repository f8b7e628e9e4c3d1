//! The trained model in memory: what is kept of each column, and its tree; to and from a file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tgs_protocol::{
    column::ColumnSpec, engine::EngineError, limits::COLUMNS_MAX, model::ModelName,
};

use super::{
    config::Config,
    encode::Numbers,
    tree::{Node, Tree},
};
use crate::{
    container::{self, Array, Container, FileKind},
    generated::Generated,
    table::grid::Grid,
};

const KIND: FileKind = FileKind::Model(ModelName::Seqtree);

/// Everything that sampling needs.
pub(super) struct Chain {
    pub config: Config,
    /// In the order of the source.
    pub columns: Vec<Part>,
    /// Places in `columns` of those that have a tree, in the order of drawing.
    pub order: Vec<usize>,
    /// One per member of `order`.
    pub trees: Vec<Tree>,
}

/// What is kept of a column.
pub(super) struct Part {
    pub spec: Arc<ColumnSpec>,
    pub content: Content,
}

/// How its values are made.
pub(super) enum Content {
    Generated(Generated),
    Levels { levels: Vec<String>, bin_of_code: Vec<u8> },
    Numbers(Numbers),
}

/// The record of a model file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    config: Config,
    columns: Vec<PartRecord>,
    order: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartRecord {
    spec: ColumnSpec,
    content: ContentRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ContentRecord {
    Generated(Generated),
    Levels(Vec<String>),
    Numbers(Grid),
}

impl Chain {
    /// The model file. Nothing is kept of rows that did not train: neither levels that only they
    /// hold, nor the reason of a kind, which tells a column's ends.
    pub(super) fn write(mut self) -> Result<Vec<u8>, EngineError> {
        for (at, tree) in self.order.iter().zip(&mut self.trees) {
            if let Content::Levels { levels, bin_of_code } = &mut self.columns[*at].content {
                drop_untrained(levels, bin_of_code, tree);
            }
        }
        let mut arrays = Vec::new();
        for (at, part) in self.columns.iter().enumerate() {
            match &part.content {
                Content::Generated(_) => {}
                Content::Levels { bin_of_code, .. } => {
                    arrays.push((format!("column.{at}.bins"), Array::list(bin_of_code)));
                }
                Content::Numbers(numbers) => {
                    let distinct = Array::list(&numbers.distinct);
                    arrays.push((format!("column.{at}.distinct"), distinct));
                    arrays.push((format!("column.{at}.edges"), Array::list(&numbers.edges)));
                }
            }
        }
        for (at, tree) in self.trees.iter().enumerate() {
            put_tree(at, tree, &mut arrays);
        }
        let columns = self.columns.iter().map(|part| PartRecord {
            spec: ColumnSpec { reason: String::new(), ..ColumnSpec::clone(&part.spec) },
            content: match &part.content {
                Content::Generated(generated) => ContentRecord::Generated(generated.clone()),
                Content::Levels { levels, .. } => ContentRecord::Levels(levels.clone()),
                Content::Numbers(numbers) => ContentRecord::Numbers(numbers.grid),
            },
        });
        let (config, order) = (self.config.clone(), self.order.clone());
        let record = Record { config, columns: columns.collect(), order };
        container::write(KIND, &record, arrays)
    }

    /// Reads a model file and checks all that sampling relies on.
    ///
    /// # Errors
    /// `ModelUnreadable` when the file is damaged or not of this model.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut file: Container<Record> = container::read(KIND, bytes)?;
        let parts = std::mem::take(&mut file.record.columns);
        let mut columns = Vec::with_capacity(parts.len());
        for (at, part) in parts.into_iter().enumerate() {
            let content = match part.content {
                ContentRecord::Generated(generated) => Content::Generated(generated),
                ContentRecord::Levels(levels) => {
                    let name = format!("column.{at}.bins");
                    let bin_of_code = file.take_exactly(&name, levels.len() + 1)?;
                    Content::Levels { levels, bin_of_code }
                }
                ContentRecord::Numbers(grid) => {
                    let distinct: Vec<f64> = file.take(&format!("column.{at}.distinct"))?;
                    let edges: Vec<f64> = file.take(&format!("column.{at}.edges"))?;
                    if edges.len() > 254 || !is_ascending(&edges) || !is_ascending(&distinct) {
                        return Err(file.refuse("the bins of a column are not in order"));
                    }
                    Content::Numbers(Numbers { distinct, edges, grid })
                }
            };
            columns.push(Part { spec: Arc::new(part.spec), content });
        }
        let order = std::mem::take(&mut file.record.order);
        let trees = take_trees(&mut file, order.len())?;
        let chain = Self { config: file.record.config, columns, order, trees };
        chain.check()?;
        Ok(chain)
    }

    fn check(&self) -> Result<(), EngineError> {
        let mut drawn = vec![false; self.columns.len()];
        for (place, (at, tree)) in self.order.iter().zip(&self.trees).enumerate() {
            let part = self.columns.get(*at).ok_or_else(|| KIND.refuse("a column is missing"))?;
            let missing = match &part.content {
                Content::Generated(_) => return Err(KIND.refuse("a made column has a tree")),
                Content::Levels { levels, .. } => levels.len(),
                Content::Numbers(numbers) => numbers.distinct.len(),
            };
            if !tree.is_whole(place, u32::try_from(missing).unwrap_or(u32::MAX)) {
                return Err(KIND.refuse("a tree is not whole"));
            }
            if std::mem::replace(&mut drawn[*at], true) {
                return Err(KIND.refuse("a column has two trees"));
            }
        }
        let whole = self
            .columns
            .iter()
            .zip(&drawn)
            .all(|(part, drawn)| *drawn || matches!(part.content, Content::Generated(_)));
        let narrow = self.columns.len() <= COLUMNS_MAX;
        if whole && narrow { Ok(()) } else { Err(KIND.refuse("a column has no tree")) }
    }
}

/// Drops levels that no leaf holds and renumbers the codes of the others.
fn drop_untrained(levels: &mut Vec<String>, bin_of_code: &mut Vec<u8>, tree: &mut Tree) {
    let missing = levels.len();
    let mut is_held = vec![false; missing + 1];
    tree.codes.iter().for_each(|code| is_held[*code as usize] = true);
    // The code of missing cells is one above all others, whether or not there are any.
    is_held[missing] = true;
    let place = |held: &mut u32, is_held: &bool| {
        let at = *held;
        *held += u32::from(*is_held);
        Some(at)
    };
    let places: Vec<u32> = is_held.iter().scan(0, place).collect();
    tree.codes.iter_mut().for_each(|code| *code = places[*code as usize]);
    let mut held = is_held.iter();
    levels.retain(|_| held.next().copied().unwrap_or(false));
    let mut held = is_held.iter();
    bin_of_code.retain(|_| held.next().copied().unwrap_or(false));
}

/// Puts a tree into a file.
pub(super) fn put_tree(at: usize, tree: &Tree, arrays: &mut Vec<(String, Array)>) {
    let mut put = |name: &str, array| arrays.push((format!("tree.{at}.{name}"), array));
    let columns: Vec<u16> = tree.nodes.iter().map(|node| node.column).collect();
    let children: Vec<u32> = tree.nodes.iter().map(|node| node.child).collect();
    let right: Vec<u64> = tree.nodes.iter().flat_map(|node| node.right).collect();
    put("column", Array::list(&columns));
    put("child", Array::list(&children));
    put("right", Array::list(&right));
    put("leaves", Array::list(&tree.leaves));
    put("codes", Array::narrow(&tree.codes));
}

/// Takes trees out of a file.
pub(super) fn take_trees<R>(
    file: &mut Container<R>,
    count: usize,
) -> Result<Vec<Tree>, EngineError> {
    let mut trees = Vec::new();
    for at in 0..count {
        let name = |of: &str| format!("tree.{at}.{of}");
        let columns: Vec<u16> = file.take(&name("column"))?;
        let children: Vec<u32> = file.take(&name("child"))?;
        let right: Vec<u64> = file.take(&name("right"))?;
        let right = right.as_chunks::<4>().0;
        if columns.len() != children.len() || columns.len() != right.len() {
            return Err(file.refuse("the nodes of a tree are ragged"));
        }
        let nodes = columns.iter().zip(children).zip(right);
        let nodes =
            nodes.map(|((column, child), right)| Node { column: *column, child, right: *right });
        let (leaves, codes) = (file.take(&name("leaves"))?, file.take_narrow(&name("codes"))?);
        trees.push(Tree { nodes: nodes.collect(), leaves, codes });
    }
    Ok(trees)
}

/// Ascending, and none of them NaN.
fn is_ascending(numbers: &[f64]) -> bool {
    numbers.is_sorted() && !numbers.iter().any(|number| number.is_nan())
}
