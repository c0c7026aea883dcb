//! The function of a callback, over flat arrays.

use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::arguments::ShapeDtype;
use crate::core::array::{Array, Repr};
use crate::core::aval::ShapedArray;
use crate::core::config::canonicalize;
use crate::core::scalar::Scalar;
use crate::core::trace::{with_trace, without_location};
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::signature::{FlatOut, Output, short_type_name};
use crate::tree::{Pytree, Token, TreeDef, Unflattener};

type Run = dyn Fn(&[Array]) -> Result<FlatOut> + Send + Sync;

/// What a callback runs: on values, never on tracers.
pub(crate) struct Callback {
    name: &'static str,
    /// Its identity, if the type of the function is enough to tell it from others: the same code without captures, over
    /// arguments of the same structure, is the same function. Two jaxprs that differ in nothing else are then equal.
    key: Option<(TypeId, TreeDef)>,
    run: Box<Run>,
}

impl Callback {
    /// `f` of a tree of this structure.
    pub(crate) fn new<T, O, F>(f: F, args: &TreeDef) -> Arc<Callback>
    where
        T: Pytree,
        O: Output,
        F: Fn(T) -> O + Send + Sync + 'static,
    {
        let tree = args.clone();
        Callback::keyed::<F>(args, move |leaves| {
            let mut leaves = leaves.iter().cloned();
            let args = T::unflatten_from(&mut Unflattener::new(tree.tokens(), &mut leaves))?;
            Ok(FlatOut::from_tree(&f(args).into_result()?))
        })
    }

    /// A function of flat arrays that stands for an `F`.
    pub(crate) fn keyed<F: 'static>(
        args: &TreeDef,
        run: impl Fn(&[Array]) -> Result<FlatOut> + Send + Sync + 'static,
    ) -> Arc<Callback> {
        let key = (size_of::<F>() == 0).then(|| (TypeId::of::<F>(), args.clone()));
        Arc::new(Callback { name: short_type_name::<F>(), key, run: Box::new(run) })
    }

    /// Runs it outside of any transformation, and checks what it returns.
    pub(crate) fn run(&self, args: &[Array], results: &[ShapedArray]) -> Result<Vec<Array>> {
        let out = with_trace(None, || without_location(|| catch(|| (self.run)(args))))?;
        if out.leaves.len() != results.len() {
            bail!(
                TreeMismatch,
                "mismatched number of outputs from callback: expected {}, got {}",
                results.len(),
                out.leaves.len()
            );
        }
        for (i, (x, expected)) in out.leaves.iter().zip(results).enumerate() {
            if x.is_tracer() || !x.aval().matches(expected) {
                bail!(
                    Shape,
                    "incorrect output for return value #{i} of callback: expected {expected}, got {}",
                    x.aval()
                );
            }
        }
        Ok(out.leaves.into_vec())
    }

    /// The same over the bytes of arrays, as compiled programs have it.
    pub(crate) fn run_on_bytes(
        &self,
        avals: &[ShapedArray],
        results: &[ShapedArray],
        ins: &[&[u8]],
        outs: &mut [&mut [u8]],
    ) -> Result<()> {
        if ins.len() != avals.len() || outs.len() != results.len() {
            bail!(Internal, "callback: {} arguments and {} results were handed over", ins.len(), outs.len());
        }
        let array = |(bytes, aval): (&&[u8], &ShapedArray)| match aval.shape().is_empty() {
            // Without a device: most of what is looked at is a number.
            true => Ok(Array(Repr::Scalar(Scalar::from_bytes(aval.dtype(), bytes)))),
            false => Array::from_bytes(bytes, aval.dtype(), aval.shape()),
        };
        let args = ins.iter().zip(avals).map(array).collect::<Result<Vec<_>>>()?;
        for (out, x) in outs.iter_mut().zip(self.run(&args, results)?) {
            out.copy_from_slice(&x.to_bytes()?);
        }
        Ok(())
    }
}

impl PartialEq for Callback {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.key.is_some() && self.key == other.key)
    }
}
impl Eq for Callback {}

impl Hash for Callback {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.key {
            Some((id, tree)) => (id, tree.tokens().len()).hash(state),
            None => std::ptr::from_ref(self).addr().hash(state),
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<function {}>", self.name)
    }
}

/// What a callback returns, said beforehand: `&x` for a tree like that one, whose values are not looked at; a shape, or a
/// shape and a dtype, for one array.
pub trait ResultShape<R> {
    /// The types of the leaves, and the structure.
    ///
    /// # Errors
    /// A negative size; a 64-bit dtype while x64 is off.
    #[doc(hidden)]
    fn result_shape(self, name: &str) -> Result<(Vec<ShapedArray>, TreeDef)>;
}

impl<R: Pytree> ResultShape<R> for &R {
    fn result_shape(self, _: &str) -> Result<(Vec<ShapedArray>, TreeDef)> {
        let like = FlatOut::from_tree(self);
        Ok((like.leaves.iter().map(|x| x.aval().with_weak_type(false)).collect(), like.tree))
    }
}

impl<S: Into<ShapeDtype>> ResultShape<Array> for S {
    fn result_shape(self, name: &str) -> Result<(Vec<ShapedArray>, TreeDef)> {
        let (shape, dtype) = self.into().resolve(name, DType::F32)?;
        if canonicalize(dtype) != dtype {
            bail!(DType, "{name}: the result cannot be {dtype} while x64 is off");
        }
        Ok((vec![ShapedArray::new(dtype, &shape)], TreeDef::from_tokens(&[Token::Leaf])))
    }
}
