//! Complex parameters as pairs of real ones. Optax: `contrib/_complex_valued.py`.

use crate::Pytree;
use crate::core::array::Array;
use crate::error::{Result, bail};
use crate::optim::transformation::ValueFn;
use crate::optim::{Context, GradientTransformation, OptState};
use crate::tree::{AnyTree, Token, TreeDef};
use crate::{lax, numpy};

/// What stands for a complex leaf.
#[derive(Pytree)]
struct SplitRealAndImaginaryArrays {
    real: Array,
    imaginary: Array,
}

fn split(tree: &AnyTree) -> Result<AnyTree> {
    let mut leaves = tree.leaves().iter();
    let (mut tokens, mut parts) = (Vec::new(), Vec::new());
    for token in tree.structure().tokens() {
        let leaf = if matches!(token, Token::Leaf) { leaves.next() } else { None };
        match leaf {
            Some(z) if z.dtype().is_complex() => {
                let pair = SplitRealAndImaginaryArrays { real: numpy::real(z), imaginary: numpy::imag(z) };
                let pair = AnyTree::from_owned(pair);
                tokens.extend_from_slice(pair.structure().tokens());
                parts.extend_from_slice(pair.leaves());
            }
            leaf => {
                tokens.push(token.clone());
                parts.extend(leaf.cloned());
            }
        }
    }
    AnyTree::from_parts(TreeDef::from_tokens(&tokens), parts)
}

/// The tree of which [`split`] made `parts`, of the structure of `like`.
fn merge(parts: &AnyTree, like: &AnyTree) -> Result<AnyTree> {
    let mut parts = parts.leaves().iter();
    let merged = |x: &Array| match (x.dtype().is_complex(), parts.next()) {
        (false, Some(x)) => Ok(x.clone()),
        (true, Some(real)) => match parts.next() {
            Some(imaginary) => Ok(lax::complex(real, imaginary)),
            None => bail!(TreeMismatch, "fewer updates than parameters"),
        },
        (_, None) => bail!(TreeMismatch, "fewer updates than parameters"),
    };
    crate::tree::try_map(merged, like)
}

#[derive(Pytree)]
struct SplitRealAndImaginaryState {
    inner_state: OptState,
}

/// `inner` with two real parameters for each complex one, so that it does to them what it does to real ones.
///
/// The gradient of a complex parameter goes downhill once it is conjugated: `grad` gives that of JAX's convention.
/// ```
/// use raxla::{optim, prelude::*};
/// use raxla::num_complex::Complex;
///
/// let tx = optim::split_real_and_imaginary(optim::adam(0.1));
/// let params = Array::from([Complex::new(1.0f32, -2.0)]);
/// let grads = grad(|z: &Array| (z * z.conj()).real().sum(..))(&params)?.conj();
/// let (updates, _) = tx.update(&grads, &tx.init(&params)?, &params)?;
/// // Adam's first step of each part.
/// let step = updates.to_vec::<Complex<f32>>()?[0];
/// assert!((step - Complex::new(-0.1, 0.1)).norm() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn split_real_and_imaginary(inner: GradientTransformation) -> GradientTransformation {
    let of_init = inner.clone();
    GradientTransformation::new(
        "split_real_and_imaginary",
        move |params| Ok(SplitRealAndImaginaryState { inner_state: of_init.init_any(&split(params)?)? }),
        move |updates, state: SplitRealAndImaginaryState, cx| {
            let whole = cx.params;
            // Whoever asks for values asks at real parameters.
            let value_fn = cx.value_fn.map(|f| move |params: &AnyTree| f(&merge(params, whole)?));
            let inner_cx = Context {
                params: &split(whole)?,
                value: cx.value.clone(),
                grad: cx.grad.as_ref().map(split).transpose()?,
                value_fn: value_fn.as_ref().map(|f| f as &ValueFn<'_>),
            };
            let (parts, inner_state) = inner.update_any(split(&updates)?, &state.inner_state, &inner_cx)?;
            Ok((merge(&parts, &updates)?, SplitRealAndImaginaryState { inner_state }))
        },
    )
}
