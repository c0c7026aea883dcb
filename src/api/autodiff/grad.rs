//! `grad` and `value_and_grad`. JAX: `jax.grad`, `jax.value_and_grad`.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::options::{Argnum, Argnums, Aux, GradOptions, NoAux, Wrt, pair};
use super::{Grad, Out, ValueAndGrad, check_inputs, derivative, linearize_flat, mark};
use crate::core::array::Array;
use crate::core::primitive::Ct;
use crate::core::scalar::Scalar;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::backward_pass;
use crate::lax::elementwise::tuple;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};
use crate::tree::{Token, TreeDef};

/// The gradient of `f`, which returns a real scalar, with respect to its first argument: `grad(loss)(&params, &x)?`.
///
/// The gradient has the structure of the argument. Control flow on concrete values works, and `f` may borrow.
///
/// ```
/// use raxla::prelude::*;
///
/// let scale = Array::from(2.0);
/// let slope = grad(|x: &Array| x * x * &scale)(&Array::from(3.0))?;
/// assert_eq!(slope.item::<f32>()?, 12.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `gradient only defined for scalar-output functions`; an argument of integers; what `f` fails with.
#[track_caller]
pub fn grad<'f, F, M>(f: F) -> Grad<'f, M, F, Argnum<0>, NoAux>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    Argnum<0>: Argnums<M::Sig>,
{
    grad_with(f, GradOptions::new())
}

/// [`grad`] with respect to other arguments, of a function with auxiliary output, of complex functions.
///
/// ```
/// use raxla::api::{GradOptions, grad_with};
/// use raxla::prelude::*;
///
/// let f = |x: &Array, y: &Array| (x * y, x + y);
/// let (dy, sum) = grad_with(f, GradOptions::argnum::<1>().has_aux())(&Array::from(3.0), &Array::from(2.0))?;
/// assert_eq!((dy.item::<f32>()?, sum.item::<f32>()?), (3.0, 5.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`grad`]. `grad with holomorphic=true requires inputs with complex dtype`.
#[track_caller]
pub fn grad_with<'f, F, M, W, A>(f: F, options: GradOptions<W, A>) -> Grad<'f, M, F, W, A>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    W: Argnums<M::Sig>,
    A: Aux<Out<'f, M, F>>,
{
    Fun::from_flat(Arc::new(Gradient::new("grad", M::into_flat(f), W::ARGNUMS, A::HAS_AUX, options, false)))
}

/// The value of `f` and its gradient with respect to the first argument: `let (loss, grads) = value_and_grad(f)(&p)?`.
///
/// ```
/// use raxla::prelude::*;
///
/// let (value, slope) = value_and_grad(|x: &Array| x * x)(&Array::from(3.0))?;
/// assert_eq!((value.item::<f32>()?, slope.item::<f32>()?), (9.0, 6.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn value_and_grad<'f, F, M>(f: F) -> ValueAndGrad<'f, M, F, Argnum<0>, NoAux>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    Argnum<0>: Argnums<M::Sig>,
{
    value_and_grad_with(f, GradOptions::new())
}

/// [`value_and_grad`] with respect to other arguments, of a function with auxiliary output, of complex functions.
///
/// ```
/// use raxla::api::{GradOptions, value_and_grad_with};
/// use raxla::prelude::*;
///
/// let f = |x: &Array, y: &Array| (x * y, (x + y,));
/// let options = GradOptions::argnum::<1>().has_aux();
/// let ((value, (sum,)), slope) = value_and_grad_with(f, options)(&Array::from(3.0), &Array::from(2.0))?;
/// assert_eq!([value, sum, slope].map(|x| x.item::<f32>().unwrap()), [6.0, 5.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`grad_with`].
#[track_caller]
pub fn value_and_grad_with<'f, F, M, W, A>(f: F, options: GradOptions<W, A>) -> ValueAndGrad<'f, M, F, W, A>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    W: Argnums<M::Sig>,
    A: Aux<Out<'f, M, F>>,
{
    let f = M::into_flat(f);
    Fun::from_flat(Arc::new(Gradient::new("value_and_grad", f, W::ARGNUMS, A::HAS_AUX, options, true)))
}

struct Gradient<'f> {
    name: &'static str,
    f: Arc<dyn FlatFn + 'f>,
    wrt: Wrt,
    has_aux: bool,
    with_value: bool,
    holomorphic: bool,
    allow_int: bool,
}

impl<'f> Gradient<'f> {
    fn new<W, A>(
        name: &'static str,
        f: Arc<dyn FlatFn + 'f>,
        wrt: Wrt,
        has_aux: bool,
        options: GradOptions<W, A>,
        with_value: bool,
    ) -> Self {
        let GradOptions { holomorphic, allow_int, .. } = options;
        Gradient { name, f, wrt, has_aux, with_value, holomorphic, allow_int }
    }

    /// JAX: `_check_scalar`, `_check_output_dtype_grad`.
    fn check_output(&self, y: &Array) -> Result<()> {
        if !y.shape().is_empty() {
            bail!(
                Differentiation,
                "gradient only defined for scalar-output functions. Output of {} had shape: {}",
                self.f.describe(),
                tuple(y.shape())
            );
        }
        super::check_output(self.name, self.holomorphic, y)
    }
}

impl FlatFn for Gradient<'_> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let run = || {
            let wrt = self.wrt.leaves(&args);
            check_inputs(self.name, self.holomorphic, self.allow_int, &args, &wrt)?;
            let nonzero = mark(&args, &wrt);
            let (linear, out_tree) = linearize_flat(&*self.f, &args, &nonzero)?;
            let out_tokens = out_tree.tokens();
            let value_token = if self.has_aux { out_tokens.get(1) } else { out_tokens.first() };
            if value_token != Some(&Token::Leaf) || (!self.has_aux && linear.primals_out.len() != 1) {
                bail!(
                    Differentiation,
                    "gradient only defined for scalar-output functions. Output of {} was {out_tree}{}",
                    self.f.describe(),
                    if self.has_aux { ", which should be (value, aux)" } else { "" }
                );
            }
            let value = &linear.primals_out[0];
            self.check_output(value)?;
            let mut cts: SmallVec<[Ct; 4]> = SmallVec::new();
            for (i, nz) in linear.nonzero_out.iter().enumerate() {
                if *nz {
                    // Auxiliary output is not differentiated.
                    let one = Scalar::from_f64(value.dtype(), 1.0).with_weak_type(value.weak_type());
                    cts.push((i == 0).then(|| Array::from(one)));
                }
            }
            let mut found = backward_pass(&linear.jaxpr, &cts)?.into_iter();
            let mut cts: Vec<Ct> =
                nonzero.iter().map(|nz| if *nz { found.next().flatten() } else { None }).collect();
            let grads = wrt.iter().map(|i| derivative(cts[*i].take(), &args.leaves[*i].aval()));
            let wrt_tokens = self.wrt.tokens(&args);
            let mut leaves = SmallVec::new();
            let tree = if self.with_value {
                leaves.extend(linear.primals_out.iter().cloned());
                leaves.extend(grads);
                pair(out_tokens, &wrt_tokens)
            } else {
                leaves.extend(grads);
                leaves.extend(linear.primals_out[1..].iter().cloned());
                match self.has_aux {
                    true => pair(&wrt_tokens, &out_tokens[2..]),
                    false => TreeDef::from_tokens(&wrt_tokens),
                }
            };
            Ok(FlatOut { leaves, tree })
        };
        catch(run).map_err(|e| e.at(caller))
    }

    fn name(&self) -> Cow<'static, str> {
        format!("{}_{}", self.name, self.f.name()).into()
    }
}
