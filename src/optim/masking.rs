//! Transformations of some parameters. Optax: `transforms/_masking.py`, `transforms/_combining.py`, `transforms/_freezing.py`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Context, GradientTransformation, OptState, set_to_zero};
use crate::Pytree;
use crate::core::array::Array;
use crate::error::{Result, bail, throw};
use crate::tree::{AnyTree, Flattener, Path, Step, Token, TreeDef, Unflattener};

/// Which parameters something is done to: a function of a parameter's path, `decoder/fc1/kernel`, and of its value.
///
/// Options that have a mask take such a function; it runs while a program is traced, and looks at shapes and dtypes.
#[derive(Clone)]
pub struct Mask(Arc<Is>);

type Is = dyn Fn(&str, &Array) -> bool + Send + Sync;

impl Mask {
    /// The parameters of which `is` is true.
    pub fn new(is: impl Fn(&str, &Array) -> bool + Send + Sync + 'static) -> Mask {
        Mask(Arc::new(is))
    }

    fn of(&self, tree: &AnyTree) -> Vec<bool> {
        tree.iter().map(|(path, leaf)| (self.0)(&slashed(&path), leaf)).collect()
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function of the path and the parameter")
    }
}

/// `fc1/kernel`, as [`nn::Params`](crate::nn::Params) has it.
fn slashed(path: &Path) -> String {
    let step = |step: &Step| match step {
        Step::Field(name) => name.to_string(),
        Step::Index(index) => index.to_string(),
        Step::Key(key) => key.to_string().trim_matches('"').to_owned(),
    };
    path.steps().iter().map(step).collect::<Vec<_>>().join("/")
}

/// The tree without the leaves of which `keep` is not true.
fn keep(tree: &AnyTree, keep: &[bool]) -> Result<AnyTree> {
    let mut kept = keep.iter();
    let tokens: Vec<Token> = (tree.structure().tokens().iter())
        .map(|token| match token {
            Token::Leaf if kept.next() == Some(&false) => Token::None,
            other => other.clone(),
        })
        .collect();
    let leaves = tree.leaves().iter().zip(keep).filter(|(_, keep)| **keep).map(|(leaf, _)| leaf.clone());
    AnyTree::from_parts(TreeDef::from_tokens(&tokens), leaves.collect())
}

/// The tree with the leaves of `part` in place of those that `keep` is true of.
fn put_back(tree: &AnyTree, part: &AnyTree, keep: &[bool]) -> Result<AnyTree> {
    let mut new = part.leaves().iter();
    let mut leaves = tree.leaves().to_vec();
    for (leaf, _) in leaves.iter_mut().zip(keep).filter(|(_, keep)| **keep) {
        match new.next() {
            Some(update) => leaf.clone_from(update),
            None => bail!(TreeMismatch, "fewer updates than parameters"),
        }
    }
    AnyTree::from_parts(tree.structure().clone(), leaves)
}

#[derive(Pytree)]
struct MaskedState {
    inner_state: OptState,
}

/// Does `inner` to the parameters of which `mask` is true, and leaves the updates of the others as they are.
///
/// ```
/// use raxla::{Array, optim};
///
/// // Weight decay of matrices alone.
/// let tx = optim::chain((
///     optim::scale_by_adam(),
///     optim::masked(optim::add_decayed_weights(1e-4), |_, param| param.ndim() > 1),
///     optim::scale_by_learning_rate(1e-3),
/// ));
/// let params = (Array::from([[1.0f32, 2.0]]), Array::from([3.0f32]));
/// tx.init(&params)?;
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn masked(
    inner: GradientTransformation,
    mask: impl Fn(&str, &Array) -> bool + Send + Sync + 'static,
) -> GradientTransformation {
    masked_by(inner, Mask::new(mask))
}

pub(super) fn masked_by(inner: GradientTransformation, mask: Mask) -> GradientTransformation {
    let (inner_too, mask_too) = (inner.clone(), mask.clone());
    GradientTransformation::new(
        "masked",
        move |params| {
            Ok(MaskedState { inner_state: inner_too.init_any(&keep(params, &mask_too.of(params))?)? })
        },
        move |updates, state: MaskedState, cx| {
            let (updates, inner_state) =
                update_part(&inner, updates, &state.inner_state, cx, &mask.of(cx.params))?;
            Ok((updates, MaskedState { inner_state }))
        },
    )
}

fn update_part(
    inner: &GradientTransformation,
    updates: AnyTree,
    state: &OptState,
    cx: &Context<'_>,
    mask: &[bool],
) -> Result<(AnyTree, OptState)> {
    let params = keep(cx.params, mask)?;
    let (part, state) = inner.update_any(keep(&updates, mask)?, state, &cx.with_params(&params))?;
    Ok((put_back(&updates, &part, mask)?, state))
}

/// Leaves the parameters of which `mask` is true as they are: their updates become zero.
#[track_caller]
pub fn freeze(mask: impl Fn(&str, &Array) -> bool + Send + Sync + 'static) -> GradientTransformation {
    masked(set_to_zero(), mask)
}

/// `optimizer` for all parameters but those of which `freeze_mask` is true, which stay as they are.
#[track_caller]
pub fn selective_transform(
    optimizer: GradientTransformation,
    freeze_mask: impl Fn(&str, &Array) -> bool + Send + Sync + 'static,
) -> GradientTransformation {
    partition([("train", optimizer), ("freeze", set_to_zero())], move |path, param| {
        if freeze_mask(path, param) { "freeze" } else { "train" }.to_owned()
    })
}

#[derive(Pytree)]
struct PartitionState {
    inner_states: BTreeMap<String, OptState>,
}

/// A transformation for each kind of parameter, whose label is a function of its path and value. Optax: `partition`,
/// `multi_transform`.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::partition([("weights", optim::adam(1e-3)), ("biases", optim::sgd(1e-2))], |_, param| {
///     if param.ndim() > 1 { "weights".to_owned() } else { "biases".to_owned() }
/// });
/// let params = (Array::from([[1.0f32, 2.0]]), Array::from([3.0f32]));
/// tx.init(&params)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// Two transformations of one label, at the caller's line.
#[track_caller]
pub fn partition<'a>(
    transforms: impl IntoIterator<Item = (&'a str, GradientTransformation)>,
    param_labels: impl Fn(&str, &Array) -> String + Send + Sync + 'static,
) -> GradientTransformation {
    let mut by_label: BTreeMap<String, GradientTransformation> = BTreeMap::new();
    for (label, transform) in transforms {
        if by_label.insert(label.to_owned(), transform).is_some() {
            throw!(InvalidArgument, "partition: two transformations are for the label {label}");
        }
    }
    let by_label = Arc::new(by_label);
    let labels = Arc::new(move |tree: &AnyTree| -> Vec<String> {
        tree.iter().map(|(path, leaf)| param_labels(&slashed(&path), leaf)).collect()
    });
    let mask = |labels: &[String], label: &str| -> Vec<bool> { labels.iter().map(|l| l == label).collect() };
    let (by_label_too, labels_too) = (by_label.clone(), labels.clone());
    GradientTransformation::new(
        "partition",
        move |params| {
            let labels = labels_too(params);
            for ((path, _), label) in params.iter().zip(&labels) {
                if !by_label_too.contains_key(label) {
                    let known: Vec<&str> = by_label_too.keys().map(String::as_str).collect();
                    bail!(
                        InvalidArgument,
                        "{path} has the label {label}, for which there is no transformation: there are {}",
                        known.join(", ")
                    );
                }
            }
            let state = |(label, tx): (&String, &GradientTransformation)| {
                Ok((label.clone(), tx.init_any(&keep(params, &mask(&labels, label))?)?))
            };
            Ok(PartitionState { inner_states: by_label_too.iter().map(state).collect::<Result<_>>()? })
        },
        move |mut updates, state: PartitionState, cx| {
            let labels = labels(cx.params);
            let mut inner_states = BTreeMap::new();
            for (label, tx) in by_label.iter() {
                let Some(state) = state.inner_states.get(label) else {
                    bail!(TreeMismatch, "the state has nothing for the label {label}")
                };
                let (next, state) = update_part(tx, updates, state, cx, &mask(&labels, label))?;
                updates = next;
                inner_states.insert(label.clone(), state);
            }
            Ok((updates, PartitionState { inner_states }))
        },
    )
}

pub use partition as multi_transform;

/// Several transformations, one after the other. See [`chain`].
pub trait Transforms {
    #[doc(hidden)]
    fn list(self) -> Vec<GradientTransformation>;
}

impl Transforms for Vec<GradientTransformation> {
    fn list(self) -> Vec<GradientTransformation> {
        self
    }
}
impl Transforms for &[GradientTransformation] {
    fn list(self) -> Vec<GradientTransformation> {
        self.to_vec()
    }
}
impl<const N: usize> Transforms for [GradientTransformation; N] {
    fn list(self) -> Vec<GradientTransformation> {
        self.into()
    }
}
macro_rules! tuples {
    ($(($($x:ident),*))*) => {$(
        impl Transforms for ($(tuples!(@type $x),)*) {
            fn list(self) -> Vec<GradientTransformation> {
                let ($($x,)*) = self;
                vec![$($x),*]
            }
        }
    )*};
    (@type $x:ident) => { GradientTransformation };
}
tuples! {
    (a) (a, b) (a, b, c) (a, b, c, d) (a, b, c, d, e) (a, b, c, d, e, f) (a, b, c, d, e, f, g) (a, b, c, d, e, f, g, h)
}

/// The states of a [`chain`]: a tuple of any length.
struct ChainState(Vec<OptState>);

impl Pytree for ChainState {
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Tuple(self.0.len() as u32));
        self.0.iter().for_each(|state| state.flatten_into(out));
    }
    fn take_into(&mut self, out: &mut Flattener) {
        out.token(Token::Tuple(self.0.len() as u32));
        self.0.iter_mut().for_each(|state| state.take_into(out));
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let len = match src.peek() {
            Some(&Token::Tuple(n)) => n,
            _ => 0,
        };
        src.token(&Token::Tuple(len))?;
        Ok(ChainState((0..len).map(|_| OptState::unflatten_from(src)).collect::<Result<_>>()?))
    }
}

/// One transformation after the other: a tuple, an array, a slice or a `Vec` of them.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::chain((optim::clip_by_global_norm(1.0), optim::sgd(0.1)));
/// let params = Array::from([3.0f32, 4.0]);
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// assert!((updates.to_vec::<f32>()?[0] + 0.06).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn chain(transforms: impl Transforms) -> GradientTransformation {
    let transforms: Arc<[GradientTransformation]> = transforms.list().into();
    let all = transforms.clone();
    GradientTransformation::beginning_with(
        transforms.clone().first(),
        "chain",
        move |params| Ok(ChainState(all.iter().map(|tx| tx.init_any(params)).collect::<Result<_>>()?)),
        move |mut updates, ChainState(states), cx| {
            if states.len() != transforms.len() {
                bail!(
                    TreeMismatch,
                    "a state of {} transformations, and {} transformations: was it made by init of this one?",
                    states.len(),
                    transforms.len()
                );
            }
            let mut next = Vec::with_capacity(states.len());
            for (tx, state) in transforms.iter().zip(&states) {
                let (better, state) = tx.update_any(updates, state, cx)?;
                updates = better;
                next.push(state);
            }
            Ok((updates, ChainState(next)))
        },
    )
}

/// [`chain`] whose states have names.
///
/// # Panics
/// Two of one name, at the caller's line.
#[track_caller]
pub fn named_chain<'a>(
    transforms: impl IntoIterator<Item = (&'a str, GradientTransformation)>,
) -> GradientTransformation {
    let transforms: Arc<[(String, GradientTransformation)]> =
        transforms.into_iter().map(|(name, tx)| (name.to_owned(), tx)).collect();
    for (i, (name, _)) in transforms.iter().enumerate() {
        if transforms[..i].iter().any(|(other, _)| other == name) {
            throw!(InvalidArgument, "named_chain: two transformations are named {name}");
        }
    }
    let all = transforms.clone();
    GradientTransformation::beginning_with(
        transforms.clone().first().map(|(_, tx)| tx),
        "named_chain",
        move |params| -> Result<BTreeMap<String, OptState>> {
            all.iter().map(|(name, tx)| Ok((name.clone(), tx.init_any(params)?))).collect()
        },
        move |mut updates, states, cx| {
            let mut next = BTreeMap::new();
            for (name, tx) in transforms.iter() {
                let Some(state) = states.get(name) else {
                    bail!(TreeMismatch, "the state has nothing for {name}")
                };
                let (better, state) = tx.update_any(updates, state, cx)?;
                updates = better;
                next.insert(name.clone(), state);
            }
            Ok((updates, next))
        },
    )
}
