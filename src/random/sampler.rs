//! Samplers run as one compiled program, and stand as one equation in a jaxpr. JAX: the `jit` decorators of `random`.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::control_flow::jit_call::JitCall;
use crate::core::array::Array;
use crate::core::aval::{Shape, ShapedArray};
use crate::core::config::{self, Config};
use crate::core::primitive::Prim;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, OrThrow, Result, throw};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::lax::elementwise::tuple;

/// What a sampler's program depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Signature {
    name: &'static str,
    shape: Shape,
    dtype: DType,
    /// Whatever else it depends on.
    extra: i64,
    avals: SmallVec<[ShapedArray; 4]>,
    config: Config,
}

thread_local! {
    static PROGRAMS: RefCell<FxHashMap<Signature, Prim>> = RefCell::default();
}

/// Programs that one thread keeps.
const MAX_PROGRAMS: usize = 4096;

/// The result of `body`, which is traced once for each signature. `body` captures no arrays.
#[track_caller]
pub(super) fn jitted(
    name: &'static str,
    shape: &[usize],
    dtype: DType,
    extra: i64,
    args: &[&Array],
    body: impl FnOnce(&[Array]) -> Array,
) -> Array {
    let signature = Signature {
        name,
        shape: shape.into(),
        dtype,
        extra,
        avals: args.iter().map(|x| x.aval()).collect(),
        config: config::current(),
    };
    let known = PROGRAMS.with_borrow(|programs| programs.get(&signature).cloned());
    let prim = match known {
        Some(prim) => prim,
        None => {
            let prim = program(name, &signature.avals, body).or_throw();
            PROGRAMS.with_borrow_mut(|programs| {
                if programs.len() >= MAX_PROGRAMS {
                    programs.clear();
                }
                programs.insert(signature, prim.clone());
            });
            prim
        }
    };
    bind1(prim, args)
}

fn program(name: &'static str, avals: &[ShapedArray], body: impl FnOnce(&[Array]) -> Array) -> Result<Prim> {
    let closed = trace_to_jaxpr(avals, |args| Ok(vec![body(args)]))?;
    let (jaxpr, consts) = convert_constvars(closed);
    if !consts.is_empty() {
        return Err(Error::new(ErrorKind::Internal, format!("random: {name} captures arrays")));
    }
    Ok(Prim::from(JitCall { name: Arc::from(name), jaxpr }))
}

/// Can arrays of these shapes be broadcast to `shape`? JAX: `random._check_shape`.
#[track_caller]
pub(super) fn check_shape(name: &str, shape: &[usize], params: &[&Array]) {
    for x in params {
        let fits = x.ndim() <= shape.len()
            && x.shape().iter().rev().zip(shape.iter().rev()).all(|(m, n)| *m == 1 || m == n);
        if !fits {
            let shapes: Vec<String> = params.iter().map(|x| tuple(x.shape())).collect();
            let message = format!(
                "{name} parameter shapes must be broadcast-compatible with shape argument, and the result of \
                 broadcasting the shapes must equal the shape argument, but got result {} for shape argument {}",
                shapes.join(", "),
                tuple(shape)
            );
            throw(Error::new(ErrorKind::Shape, message));
        }
    }
}

/// `x` with axes of size one in front, up to this rank; scalars stay.
#[track_caller]
pub(super) fn to_rank(x: &Array, rank: usize) -> Array {
    if x.ndim() == 0 || x.ndim() == rank {
        return x.clone();
    }
    let axes: Shape = (0..rank.saturating_sub(x.ndim())).collect();
    crate::lax::expand_dims(x, &axes)
}

/// `x` broadcast to this shape, as NumPy does.
#[track_caller]
pub(super) fn to_shape(x: &Array, shape: &[usize]) -> Array {
    let dims: Shape = (shape.len().saturating_sub(x.ndim())..shape.len()).collect();
    crate::lax::broadcast_in_dim(x, shape, &dims)
}
