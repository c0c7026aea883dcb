//! [`AnyTree`]: a tree whose type is not known.

use std::fmt;

use super::flatten::{Flattener, Pytree, Unflattener};
use super::path::{Path, Step, Walk};
use super::token::Token;
use super::treedef::TreeDef;
use crate::core::array::Array;
use crate::error::{Result, bail};

/// A tree of any structure: its leaves and what their places are. It is a pytree, of the structure of the tree that it was made of.
///
/// What is written for trees of all types keeps its own state in such trees; [`optim::OptState`](crate::optim::OptState) is one.
/// ```
/// use raxla::{Array, tree::AnyTree};
///
/// let tree = AnyTree::new(&(vec![Array::from(1), Array::from(2)], Array::from(3)));
/// assert_eq!(tree.get("0[1]").map(|part| part.leaves()[0].item::<i32>()).transpose()?, Some(2));
/// let (list, last): (Vec<Array>, Array) = tree.to()?;
/// assert_eq!((list.len(), last.item::<i32>()?), (2, 3));
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct AnyTree {
    structure: TreeDef,
    leaves: Vec<Array>,
}

impl AnyTree {
    /// The same tree without its type.
    pub fn new<T: Pytree>(tree: &T) -> AnyTree {
        let (leaves, structure) = super::flatten(tree);
        AnyTree { structure, leaves }
    }

    /// [`new`](Self::new) of a tree that is given away.
    pub fn from_owned<T: Pytree>(mut tree: T) -> AnyTree {
        let mut out = Flattener::new();
        tree.take_into(&mut out);
        let (leaves, structure) = out.finish();
        AnyTree { structure, leaves }
    }

    /// A tree of these leaves and this structure.
    ///
    /// # Errors
    /// Too few or too many leaves.
    pub fn from_parts(structure: TreeDef, leaves: Vec<Array>) -> Result<AnyTree> {
        if structure.num_leaves() != leaves.len() {
            bail!(TreeMismatch, "a tree of {} leaves, and {} leaves", structure.num_leaves(), leaves.len());
        }
        Ok(AnyTree { structure, leaves })
    }

    /// The same tree as a `T`.
    ///
    /// # Errors
    /// `TreeMismatch` if it has not the structure of one; the message names the place.
    pub fn to<T: Pytree>(&self) -> Result<T> {
        super::unflatten(&self.structure, self.leaves.iter().cloned())
    }

    /// [`to`](Self::to) of a tree that is given away.
    ///
    /// # Errors
    /// As [`to`](Self::to).
    pub fn into_typed<T: Pytree>(self) -> Result<T> {
        super::unflatten(&self.structure, self.leaves)
    }

    /// The structure.
    pub fn structure(&self) -> &TreeDef {
        &self.structure
    }

    /// The leaves, in order.
    pub fn leaves(&self) -> &[Array] {
        &self.leaves
    }

    /// The leaves, each with its path.
    pub fn iter(&self) -> impl Iterator<Item = (Path, &Array)> {
        self.structure.leaf_paths().into_iter().zip(&self.leaves)
    }

    /// The root's children, in order; a leaf has none. JAX: `flatten_one_level`.
    ///
    /// ```
    /// use raxla::{Array, tree::AnyTree};
    ///
    /// let tree = AnyTree::new(&(vec![Array::from(1), Array::from(2)], Array::from(3)));
    /// let leaves: Vec<usize> = tree.children().iter().map(|child| child.leaves().len()).collect();
    /// assert_eq!(leaves, [2, 1]);
    /// ```
    pub fn children(&self) -> Vec<AnyTree> {
        self.children_with_path().into_iter().map(|(_, child)| child).collect()
    }

    /// The root's children, each with its path, which has one step, or none below `Some`; a leaf has none. JAX: `flatten_one_level_with_keys`.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use raxla::{Array, tree::AnyTree};
    ///
    /// let tree = AnyTree::new(&BTreeMap::from([("bias".to_owned(), Array::from(1)), ("kernel".to_owned(), Array::from(2))]));
    /// let names: Vec<String> = tree.children_with_path().iter().map(|(path, _)| path.to_string()).collect();
    /// assert_eq!(names, [r#"["bias"]"#, r#"["kernel"]"#]);
    /// ```
    pub fn children_with_path(&self) -> Vec<(Path, AnyTree)> {
        let tokens = self.structure.tokens();
        let mut children = Vec::new();
        let mut at = 1;
        for _ in 0..tokens.first().map_or(0, Token::arity) {
            // The key of an entry is the map's.
            let start = at + usize::from(matches!(tokens.get(at), Some(Token::Key(_))));
            children.push((Path::of_token(tokens, start), self.part(start)));
            at = end_of(tokens, at);
        }
        children
    }

    /// What is at a path, as it is printed: `1.mu["fc1"]["kernel"]`.
    pub fn get(&self, path: &str) -> Option<AnyTree> {
        self.first(|at| at.to_string() == path).map(|at| self.part(at))
    }

    /// What has this name, a field's or a key's, wherever it is. Optax: `tree_utils.tree_get`.
    ///
    /// # Errors
    /// Nothing has the name, or more than one.
    pub fn find(&self, name: &str) -> Result<AnyTree> {
        Ok(self.part(self.position(name)?))
    }

    /// All that has this name, a field's or a key's, wherever it is, each with its path. Optax: `tree_utils.tree_get_all_with_path`.
    ///
    /// ```
    /// use raxla::{Array, optim};
    ///
    /// let tx = optim::chain((optim::scale_by_adam(), optim::scale_by_adam()));
    /// let state = tx.init(&Array::from([1.0f32]))?;
    /// let paths: Vec<String> = state.find_all("mu").iter().map(|(path, _)| path.to_string()).collect();
    /// assert_eq!(paths, ["0.mu", "1.mu"]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn find_all(&self, name: &str) -> Vec<(Path, AnyTree)> {
        self.positions(name).into_iter().map(|(at, path)| (path, self.part(at))).collect()
    }

    /// The same tree with another part under a name, wherever that is. Optax: `tree_utils.tree_set`.
    ///
    /// # Errors
    /// Nothing has the name, or more than one; the new part has another structure, or a leaf of another shape.
    pub fn with<T: Pytree>(&self, name: &str, part: &T) -> Result<AnyTree> {
        let at = self.position(name)?;
        let (old, new) = (self.part(at), AnyTree::new(part));
        new.check_like(&old).map_err(|e| e.context(format!("with {name}")))?;
        let mut tree = self.clone();
        let first = leaves_before(self.structure.tokens(), at);
        tree.leaves.splice(first..first + new.leaves.len(), new.leaves);
        Ok(tree)
    }

    /// Fails unless this tree has the structure of `other` and leaves of the same shapes.
    ///
    /// # Errors
    /// `TreeMismatch` or `Shape`, with the place.
    pub fn check_like(&self, other: &AnyTree) -> Result<()> {
        if let Some(difference) = self.structure.first_difference(&other.structure) {
            bail!(TreeMismatch, "the trees differ in structure {difference}");
        }
        for ((path, a), b) in self.iter().zip(&other.leaves) {
            if a.shape() != b.shape() {
                bail!(Shape, "the trees differ in shape at {path}: {}, and {}", a.aval(), b.aval());
            }
        }
        Ok(())
    }

    fn positions(&self, name: &str) -> Vec<(usize, Path)> {
        let named = |path: &Path| match path.steps().last() {
            Some(Step::Field(field)) => field == name,
            Some(Step::Key(key)) => key.to_string().trim_matches('"') == name,
            _ => false,
        };
        let mut found: Vec<(usize, Path)> = Vec::new();
        let mut walk = Walk::new(self.structure.tokens());
        for at in 0..self.structure.tokens().len() {
            let path = walk.next_path();
            walk.next();
            // The node itself, and not what stands for the same place below it.
            if named(&path) && found.last().is_none_or(|(_, last)| *last != path) {
                found.push((at, path));
            }
        }
        found
    }

    fn position(&self, name: &str) -> Result<usize> {
        match &self.positions(name)[..] {
            [(at, _)] => Ok(*at),
            [] => bail!(TreeMismatch, "nothing in the tree is named {name}: {}", self.structure),
            several => {
                let paths: Vec<String> = several.iter().map(|(_, path)| path.to_string()).collect();
                bail!(TreeMismatch, "several parts of the tree are named {name}: {}", paths.join(", "))
            }
        }
    }

    fn first(&self, mut is: impl FnMut(&Path) -> bool) -> Option<usize> {
        let mut walk = Walk::new(self.structure.tokens());
        (0..self.structure.tokens().len()).find(|_| {
            let found = is(&walk.next_path());
            walk.next();
            found
        })
    }

    fn part(&self, at: usize) -> AnyTree {
        let tokens = self.structure.tokens();
        let structure = TreeDef::from_tokens(&tokens[at..end_of(tokens, at)]);
        let first = leaves_before(tokens, at);
        let leaves = self.leaves[first..first + structure.num_leaves()].to_vec();
        AnyTree { structure, leaves }
    }
}

fn leaves_before(tokens: &[Token], at: usize) -> usize {
    tokens[..at].iter().filter(|token| matches!(token, Token::Leaf)).count()
}

/// Where the node at `at` ends.
pub(super) fn end_of(tokens: &[Token], at: usize) -> usize {
    let (mut open, mut end) = (1, at);
    while open > 0 && end < tokens.len() {
        open = open - 1 + tokens[end].arity();
        end += 1;
    }
    end
}

impl Pytree for AnyTree {
    fn flatten_into(&self, out: &mut Flattener) {
        out.tokens.extend_from_slice(self.structure.tokens());
        out.leaves.extend_from_slice(&self.leaves);
    }

    fn take_into(&mut self, out: &mut Flattener) {
        out.tokens.extend_from_slice(self.structure.tokens());
        out.leaves.extend(self.leaves.iter_mut().map(Array::take));
    }

    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let (structure, leaves) = src.any()?;
        Ok(AnyTree { structure, leaves })
    }
}

/// Paths, dtypes and shapes, not the values.
impl fmt::Debug for AnyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.iter().map(|(path, leaf)| (path.to_string(), leaf.aval().to_string()));
        f.debug_map().entries(entries).finish()
    }
}
