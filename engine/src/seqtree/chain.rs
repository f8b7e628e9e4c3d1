//! The trained model in memory: what is kept of each column, and its tree; to and from a file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tgs_protocol::{column::ColumnSpec, engine::EngineError, limits::COLUMNS_MAX};

use super::{
    config::Config,
    encode::{Grid, Numbers},
    file::{Archive, Array, corrupt},
    tree::{Node, Tree},
};
use crate::generated::Generated;

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

/// The JSON text of a model file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    config: Config,
    columns: Vec<PartBody>,
    order: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartBody {
    spec: ColumnSpec,
    content: ContentBody,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ContentBody {
    Generated(Generated),
    Levels(Vec<String>),
    Numbers(Grid),
}

impl Chain {
    /// The model file.
    pub(super) fn write(&self) -> Result<Vec<u8>, EngineError> {
        let mut archive = Archive::default();
        for (at, part) in self.columns.iter().enumerate() {
            match &part.content {
                Content::Generated(_) => {}
                Content::Levels { bin_of_code, .. } => {
                    let bins = Array::U8(bin_of_code.clone());
                    archive.arrays.insert(format!("column.{at}.bins"), bins);
                }
                Content::Numbers(numbers) => {
                    let distinct = Array::F64(numbers.distinct.clone());
                    archive.arrays.insert(format!("column.{at}.distinct"), distinct);
                    let edges = Array::F64(numbers.edges.clone());
                    archive.arrays.insert(format!("column.{at}.edges"), edges);
                }
            }
        }
        for (at, tree) in self.trees.iter().enumerate() {
            put_tree(at, tree, &mut archive);
        }
        let columns = self.columns.iter().map(|part| PartBody {
            spec: ColumnSpec::clone(&part.spec),
            content: match &part.content {
                Content::Generated(generated) => ContentBody::Generated(generated.clone()),
                Content::Levels { levels, .. } => ContentBody::Levels(levels.clone()),
                Content::Numbers(numbers) => ContentBody::Numbers(numbers.grid),
            },
        });
        let (config, order) = (self.config.clone(), self.order.clone());
        let body = Body { config, columns: columns.collect(), order };
        archive.body = serde_json::to_string(&body).map_err(|why| corrupt(&why.to_string()))?;
        archive.write()
    }

    /// Reads a model file and checks all that sampling relies on.
    ///
    /// # Errors
    /// `CheckpointCorrupt` when the file is damaged or not of this model.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut archive = Archive::read(bytes)?;
        let body: Body = archive.body()?;
        let mut columns = Vec::with_capacity(body.columns.len());
        for (at, part) in body.columns.into_iter().enumerate() {
            let content = match part.content {
                ContentBody::Generated(generated) => Content::Generated(generated),
                ContentBody::Levels(levels) => {
                    let bins = archive.take(&format!("column.{at}.bins"))?.whole()?;
                    let bin_of_code: Vec<u8> = bins.into_iter().map(|bin| bin as u8).collect();
                    if bin_of_code.len() != levels.len() + 1 {
                        return Err(corrupt("a column has other bins than levels"));
                    }
                    Content::Levels { levels, bin_of_code }
                }
                ContentBody::Numbers(grid) => {
                    let distinct = archive.take(&format!("column.{at}.distinct"))?.numbers()?;
                    let edges = archive.take(&format!("column.{at}.edges"))?.numbers()?;
                    if edges.len() > 254 || !edges.is_sorted() || !distinct.is_sorted() {
                        return Err(corrupt("the bins of a column are not in order"));
                    }
                    Content::Numbers(Numbers { distinct, edges, grid })
                }
            };
            columns.push(Part { spec: Arc::new(part.spec), content });
        }
        let trees = take_trees(&mut archive, body.order.len())?;
        let chain = Self { config: body.config, columns, order: body.order, trees };
        chain.check()?;
        Ok(chain)
    }

    fn check(&self) -> Result<(), EngineError> {
        let mut drawn = vec![false; self.columns.len()];
        for (place, (at, tree)) in self.order.iter().zip(&self.trees).enumerate() {
            let part = self.columns.get(*at).ok_or_else(|| corrupt("a column is missing"))?;
            let missing = match &part.content {
                Content::Generated(_) => return Err(corrupt("a made column has a tree")),
                Content::Levels { levels, .. } => levels.len(),
                Content::Numbers(numbers) => numbers.distinct.len(),
            };
            tree.check(place, u32::try_from(missing).unwrap_or(u32::MAX))?;
            if std::mem::replace(&mut drawn[*at], true) {
                return Err(corrupt("a column has two trees"));
            }
        }
        let whole = self
            .columns
            .iter()
            .zip(&drawn)
            .all(|(part, drawn)| *drawn || matches!(part.content, Content::Generated(_)));
        let narrow = self.columns.len() <= COLUMNS_MAX;
        if whole && narrow { Ok(()) } else { Err(corrupt("a column has no tree")) }
    }
}

/// Puts a tree into a file.
pub(super) fn put_tree(at: usize, tree: &Tree, archive: &mut Archive) {
    let mut put = |name: &str, array| archive.arrays.insert(format!("tree.{at}.{name}"), array);
    put("column", Array::U16(tree.nodes.iter().map(|node| node.column).collect()));
    put("child", Array::U32(tree.nodes.iter().map(|node| node.child).collect()));
    put("right", Array::U64(tree.nodes.iter().flat_map(|node| node.right).collect()));
    put("leaves", Array::U32(tree.leaves.clone()));
    put("codes", Array::narrow(&tree.codes));
}

/// Takes trees out of a file.
pub(super) fn take_trees(archive: &mut Archive, count: usize) -> Result<Vec<Tree>, EngineError> {
    let mut trees = Vec::new();
    for at in 0..count {
        let mut take = |name: &str| archive.take(&format!("tree.{at}.{name}"));
        let (columns, children) = (take("column")?.whole()?, take("child")?.whole()?);
        let right = take("right")?.words()?;
        let right = right.as_chunks::<4>().0;
        if columns.len() != children.len() || columns.len() != right.len() {
            return Err(corrupt("the nodes of a tree are ragged"));
        }
        let nodes = columns.iter().zip(children).zip(right);
        let nodes = nodes.map(|((column, child), right)| Node {
            column: *column as u16,
            child,
            right: *right,
        });
        let (leaves, codes) = (take("leaves")?.whole()?, take("codes")?.whole()?);
        trees.push(Tree { nodes: nodes.collect(), leaves, codes });
    }
    Ok(trees)
}
