//! What elementwise primitives share. JAX: `lax.broadcasting_shape_rule`, `naryop`, `batching.broadcast_batcher`.
//!
//! Operands have equal shapes, up to scalars and axes of size one, which are broadcast.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray, same_shape};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Ct, Jvp, LinearInput, Prim, Primitive, Tangent};
pub(crate) use crate::core::small::one;
use crate::core::small::small;
use crate::core::trace::{bind1, bind1_of};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax;
use crate::lax::broadcast_in_dim::broadcast_to;
use crate::lax::full::literal_like;
use crate::lax::reduce_sum::summed;
use crate::lax::reshape::reshaped;
use crate::mlir::{Value, Values};

/// Sets of dtypes that an operation accepts.
pub(crate) const ANY: fn(DType) -> bool = |d| d != DType::Float0;
pub(crate) const NUMBER: fn(DType) -> bool = |d| !d.is_bool() && d != DType::Float0;
pub(crate) const REAL: fn(DType) -> bool = |d| NUMBER(d) && !d.is_complex();
pub(crate) const INTEGER: fn(DType) -> bool = DType::is_integer;
pub(crate) const INTEGER_OR_BOOL: fn(DType) -> bool = |d| d.is_integer() || d.is_bool();
pub(crate) const FLOAT: fn(DType) -> bool = DType::is_float;
pub(crate) const INEXACT: fn(DType) -> bool = DType::is_inexact;
pub(crate) const COMPLEX: fn(DType) -> bool = DType::is_complex;
pub(crate) const ORDERED: fn(DType) -> bool = |d| !d.is_complex() && d != DType::Float0;
pub(crate) const SIGNED: fn(DType) -> bool = |d| d.is_signed() || d.is_inexact();
/// The dtypes of the parts of a complex number.
pub(crate) const COMPLEX_PART: fn(DType) -> bool = |d| matches!(d, DType::F32 | DType::F64);

/// The names of these sets in messages: of NumPy's classes if all of a class are in it, else of each dtype.
fn domain_name(accepts: fn(DType) -> bool) -> String {
    type Class = (&'static str, fn(DType) -> bool);
    let classes: [Class; 5] = [
        ("bool", DType::is_bool),
        ("signedinteger", DType::is_signed),
        ("unsignedinteger", DType::is_unsigned),
        ("floating", DType::is_float),
        ("complexfloating", DType::is_complex),
    ];
    let mut names: Vec<&str> = Vec::new();
    for (class, holds) in classes {
        let accepted = || DType::ALL.into_iter().filter(move |d| holds(*d) && accepts(*d));
        let count = accepted().count();
        if count > 2 && count == DType::ALL.into_iter().filter(|d| holds(*d)).count() {
            names.push(class);
        } else {
            names.extend(accepted().map(DType::short_name));
        }
    }
    names.join(", ")
}

/// The one dtype of the operands, which must be in `accepts`.
pub(crate) fn one_dtype(
    prim: &dyn Primitive,
    ins: &[ShapedArray],
    accepts: fn(DType) -> bool,
) -> Result<DType> {
    let Some(first) = ins.first() else { bail!(Internal, "{}: takes operands", prim.name()) };
    let dtype = first.dtype();
    for other in ins {
        if other.dtype() != dtype {
            bail!(
                DType,
                "{} requires arguments to have the same dtypes, got {}, {} (numpy functions promote)",
                prim.name(),
                dtype,
                other.dtype()
            );
        }
    }
    check::no_float0(prim, ins)?;
    if !accepts(dtype) {
        bail!(
            DType,
            "{} does not accept dtype {}. Accepted dtypes are {}{}",
            prim.name(),
            dtype,
            domain_name(accepts),
            instead(prim.name(), dtype)
        );
    }
    Ok(dtype)
}

/// `(3,)`, `(2, 3)`: a shape as Python prints it, for messages.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// `(2, 3), (4,): 3 and 4 at axis -1 are neither equal nor 1`: shapes that do not broadcast, and why.
#[cold]
pub(crate) fn incompatible(shapes: &[&[usize]]) -> String {
    let list: Vec<String> = shapes.iter().map(|shape| tuple(shape)).collect();
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    // From the last axis on, as it is compared.
    let differ = (1..=rank).find_map(|i| {
        let mut sizes = shapes.iter().filter(|shape| shape.len() >= i).map(|shape| shape[shape.len() - i]);
        let first = sizes.by_ref().find(|n| *n != 1)?;
        sizes.find(|n| *n != 1 && *n != first).map(|other| (i, first, other))
    });
    match differ {
        Some((i, n, m)) => format!("{}: {n} and {m} at axis -{i} are neither equal nor 1", list.join(", ")),
        None => format!("{}: they differ in rank (numpy functions broadcast)", list.join(", ")),
    }
}

/// What to write instead of an operation that does not accept this dtype.
fn instead(name: &str, dtype: DType) -> &'static str {
    match name {
        "shift_left" | "shift_right_logical" | "shift_right_arithmetic" if dtype.is_float() => {
            ": multiply by a power of two, or convert by astype"
        }
        "and" | "or" | "xor" | "not" if dtype.is_inexact() => {
            ": numpy::logical_and and its like take numbers; or compare first, or convert by astype"
        }
        _ if !dtype.is_inexact() => ": convert by astype",
        _ => "",
    }
}

/// The common shape of operands: equal, up to scalars and axes of size one.
pub(crate) fn broadcast_shape(prim: &dyn Primitive, ins: &[ShapedArray]) -> Result<Shape> {
    let mut out: Option<Shape> = None;
    for a in ins.iter().filter(|a| !a.shape().is_empty()) {
        let Some(shape) = &mut out else {
            out = Some(Shape::from_slice(a.shape()));
            continue;
        };
        if same_shape(shape, a.shape()) {
            continue;
        }
        let fits = shape.len() == a.shape().len()
            && shape.iter().zip(a.shape()).all(|(m, n)| m == n || *m == 1 || *n == 1);
        if !fits {
            let shapes: SmallVec<[&[usize]; 4]> = ins.iter().map(|a| a.shape()).collect();
            bail!(
                Shape,
                "{} got incompatible shapes for broadcasting: {}",
                prim.name(),
                incompatible(&shapes)
            );
        }
        for (m, n) in shape.iter_mut().zip(a.shape()) {
            if *m == 1 {
                *m = *n;
            }
        }
    }
    Ok(out.unwrap_or_default())
}

/// The aval of an elementwise operation whose result has its operands' dtype.
pub(crate) fn nary_aval(
    prim: &dyn Primitive,
    ins: &[ShapedArray],
    arity: usize,
    accepts: fn(DType) -> bool,
) -> Result<Avals> {
    if ins.len() != arity {
        bail!(Internal, "{}: takes {arity} operands, got {}", prim.name(), ins.len());
    }
    // The common case: operands of one type.
    let first = ins[0];
    if ins.iter().all(|aval| *aval == first) && accepts(first.dtype()) {
        return Ok(one(first));
    }
    let dtype = one_dtype(prim, ins, accepts)?;
    // Nor do scalars change the others' shape.
    let shape = ins.iter().map(|aval| aval.shape()).max_by_key(|shape| shape.len()).unwrap_or_default();
    if ins.iter().all(|aval| same_shape(aval.shape(), shape) || aval.shape().is_empty()) {
        return Ok(one(ShapedArray::result(ins, shape, dtype)));
    }
    let shape = broadcast_shape(prim, ins)?;
    Ok(one(ShapedArray::result(ins, &shape, dtype)))
}

/// The operands broadcast to a common shape.
pub(crate) fn broadcast_values(ctx: &mut LoweringCtx, ins: &[Value], shape: &[usize]) -> Values {
    small(ins.iter().map(|x| {
        if ctx.dims(*x) == shape {
            return *x;
        }
        let dims: Shape = (0..ctx.dims(*x).len()).collect();
        ctx.broadcast_in_dim(*x, shape, &dims)
    }))
}

/// Lowers to one operation in short form, such as `stablehlo.add`.
pub(crate) fn nary_lower(
    ctx: &mut LoweringCtx,
    op: &str,
    ins: &[Value],
    outs: &[ShapedArray],
) -> Result<Values> {
    let ins = broadcast_values(ctx, ins, outs[0].shape());
    let ty = ctx.ty(&outs[0]);
    Ok(Values::from_slice(&[ctx.elementwise(op, &ins, ty)]))
}

/// Lowers to one operation in generic form.
fn nary_lower_generic(
    ctx: &mut LoweringCtx,
    op: &str,
    ins: &[Value],
    outs: &[ShapedArray],
) -> Result<Values> {
    let ins = broadcast_values(ctx, ins, outs[0].shape());
    Ok(one(ctx.op_aval(op, &ins, "", &outs[0])))
}

/// The batching rule of elementwise operations: mapped operands get the mapped axis in one place, or in front if they
/// differ in rank.
pub(crate) fn nary_batch(prim: impl Into<Prim>, args: &[Array], dims: &[BatchDim]) -> Batched {
    nary_batch_of(prim.into(), args, dims)
}

fn nary_batch_of(prim: Prim, args: &[Array], dims: &[BatchDim]) -> Batched {
    let mapped = args.iter().zip(dims).filter_map(|(x, d)| d.map(|d| (x, d)));
    let (rank, first) =
        mapped.clone().map(|(x, d)| (x.ndim(), d)).max_by_key(|(rank, _)| *rank).unwrap_or((0, 0));
    // The common case: all mapped in one place, at one rank, and what is not mapped is a scalar.
    let aligned = args.iter().zip(dims).all(|(x, d)| match d {
        Some(d) => *d == first && x.ndim() == rank,
        None => x.ndim() == 0,
    });
    if aligned {
        let refs: SmallVec<[&Array; 4]> = args.iter().collect();
        let out = bind1(prim, &refs);
        return Ok((one(out), one(Some(first))));
    }
    let unmapped_rank = args.iter().zip(dims).filter(|(_, d)| d.is_none()).map(|(x, _)| x.ndim() + 1).max();
    let rank = rank.max(unmapped_rank.unwrap_or(0));
    let moved: SmallVec<[Array; 4]> = args
        .iter()
        .zip(dims)
        .map(|(x, d)| match d {
            Some(d) => {
                let x = lax::move_axis(x, *d, 0);
                // A scalar of each example, next to operands of higher rank: trailing axes of size one.
                let missing: Vec<usize> = (x.ndim()..rank).collect();
                if missing.is_empty() { x } else { lax::expand_dims(&x, &missing) }
            }
            None if x.ndim() == 0 => x.clone(),
            None => lax::expand_dims(x, [0]),
        })
        .collect();
    let refs: SmallVec<[&Array; 4]> = moved.iter().collect();
    let out = bind1(prim, &refs);
    Ok((one(out), one(Some(0))))
}

/// The cotangent of an operand that was broadcast: summed over the axes that it was stretched along.
pub(crate) fn unbroadcast(ct: &Array, operand: &ShapedArray) -> Array {
    if same_shape(ct.shape(), operand.shape()) {
        return ct.clone();
    }
    if operand.shape().is_empty() {
        return summed(ct, small(0..ct.ndim()));
    }
    let axes = small((0..ct.ndim()).filter(|i| operand.shape()[*i] == 1 && ct.shape()[*i] != 1));
    reshaped(&summed(ct, axes), Shape::from_slice(operand.shape()))
}

/// A tangent of one operand, broadcast to the shape of the result.
pub(crate) fn broadcast_tangent(dx: Array, out: &Array) -> Array {
    if same_shape(dx.shape(), out.shape()) {
        return dx;
    }
    broadcast_to(&dx, Shape::from_slice(out.shape()), small(0..dx.ndim()))
}

/// The sum of two tangents, either of which may be zero.
pub(crate) fn add_tangents(a: Tangent, b: Tangent) -> Tangent {
    match (a, b) {
        (Some(a), Some(b)) => Some(lax::add_any(&a, &b)),
        (a, b) => a.or(b),
    }
}

/// The jvp of an operation with one operand: `dy = f'(x) dx`, given as a function of `x`, `y` and `dx`.
pub(crate) fn unary_jvp(
    prim: impl Into<Prim>,
    primals: &[Array],
    tangents: &[Tangent],
    rule: impl FnOnce(&Array, &Array, &Array) -> Array,
) -> Jvp {
    let prim = prim.into();
    let x = &primals[0];
    let y = bind1(prim, &[x]);
    let dy = tangents[0].as_ref().map(|dx| rule(x, &y, dx));
    Ok((one(y), one(dy)))
}

/// The jvp of a linear operation with one operand: `dy = f(dx)`.
pub(crate) fn linear_jvp(prim: impl Into<Prim>, primals: &[Array], tangents: &[Tangent]) -> Jvp {
    let prim = prim.into();
    let f = |x: &Array| bind1_of(&prim, &[x]);
    Ok((one(f(&primals[0])), one(tangents[0].as_ref().map(f))))
}

/// The jvp of an operation linear in each of two operands: `d f(x, y) = f(dx, y) + f(x, dy)`.
pub(crate) fn bilinear_jvp(prim: impl Into<Prim>, primals: &[Array], tangents: &[Tangent]) -> Jvp {
    bilinear_jvp_of(&prim.into(), primals, tangents)
}

fn bilinear_jvp_of(prim: &Prim, primals: &[Array], tangents: &[Tangent]) -> Jvp {
    let (x, y) = (&primals[0], &primals[1]);
    let f = |x: &Array, y: &Array| bind1_of(prim, &[x, y]);
    let out = f(x, y);
    let left = tangents[0].as_ref().map(|dx| f(dx, y));
    let right = tangents[1].as_ref().map(|dy| f(x, dy));
    Ok((one(out), one(add_tangents(left, right))))
}

/// The jvp of an operation with a zero derivative (`sign`, `floor`, comparisons).
pub(crate) fn zero_jvp(prim: impl Into<Prim>, primals: &[Array]) -> Jvp {
    zero_jvp_of(prim.into(), primals)
}

fn zero_jvp_of(prim: Prim, primals: &[Array]) -> Jvp {
    let refs: SmallVec<[&Array; 4]> = primals.iter().collect();
    let y = bind1(prim, &refs);
    Ok((one(y), one(None)))
}

/// A row for each elementwise primitive without parameters whose result has the dtype of its operands: type, name,
/// number of operands, accepted dtypes, lowering ([`op`], [`chlo`] or a function) and derivative ([`d1`], [`d2`],
/// [`zero`] or [`undefined`]). What is linear has its transpose to write, and is no row.
macro_rules! elementwise {
    ($($vis:vis $prim:ident: $name:literal, $arity:literal, $accepts:expr, $lower:expr, $jvp:expr;)*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis struct $prim;
        impl $crate::core::primitive::Primitive for $prim {
            fn name(&self) -> &'static str {
                $name
            }
            fn abstract_eval(
                &self,
                ins: &[$crate::core::aval::ShapedArray],
            ) -> $crate::error::Result<$crate::core::aval::Avals> {
                $crate::lax::elementwise::nary_aval(self, ins, $arity, $accepts)
            }
            fn lower(
                &self,
                ctx: &mut $crate::core::lowering::LoweringCtx,
                ins: &[$crate::mlir::Value],
                outs: &[$crate::core::aval::ShapedArray],
            ) -> $crate::core::primitive::LoweredValues {
                $lower(ctx, ins, outs)
            }
            fn jvp(
                &self,
                primals: &[Array],
                tangents: &[$crate::core::primitive::Tangent],
            ) -> $crate::core::primitive::Jvp {
                $jvp(*self, primals, tangents)
            }
            fn batch(
                &self,
                _: &$crate::core::primitive::MappedAxis,
                args: &[Array],
                dims: &[$crate::core::primitive::BatchDim],
            ) -> $crate::core::primitive::Batched {
                $crate::lax::elementwise::nary_batch(*self, args, dims)
            }
        }
    )*};
}
pub(crate) use elementwise;

/// Lowers to this operation of StableHLO.
pub(crate) fn op(
    name: &'static str,
) -> impl Fn(&mut LoweringCtx, &[Value], &[ShapedArray]) -> Result<Values> {
    move |ctx, ins, outs| nary_lower(ctx, name, ins, outs)
}

/// Lowers to this operation in generic form: CHLO, or a result of another dtype.
pub(crate) fn chlo(
    name: &'static str,
) -> impl Fn(&mut LoweringCtx, &[Value], &[ShapedArray]) -> Result<Values> {
    move |ctx, ins, outs| nary_lower_generic(ctx, name, ins, outs)
}

/// The derivative of an operation with one operand: the tangent as a function of `x`, `y` and `dx`.
pub(crate) fn d1<P: Primitive>(
    rule: fn(&Array, &Array, &Array) -> Array,
) -> impl FnOnce(P, &[Array], &[Tangent]) -> Jvp {
    move |prim, primals, tangents| unary_jvp(Prim::from(prim), primals, tangents, rule)
}

/// What an operand's tangent contributes, as a function of the tangent, the result and both operands.
pub(crate) type Partial = fn(&Array, &Array, &Array, &Array) -> Array;

/// The derivative of an operation with two operands: the sum of what their tangents contribute.
pub(crate) fn d2<P: Primitive>(lhs: Partial, rhs: Partial) -> impl FnOnce(P, &[Array], &[Tangent]) -> Jvp {
    move |prim, primals, tangents| binary_jvp(prim.into(), primals, tangents, lhs, rhs)
}

fn binary_jvp(prim: Prim, primals: &[Array], tangents: &[Tangent], lhs: Partial, rhs: Partial) -> Jvp {
    let (x, y) = (&primals[0], &primals[1]);
    let z = bind1(prim, &[x, y]);
    let part = |rule: Partial, g: &Tangent| g.as_ref().map(|g| broadcast_tangent(rule(g, &z, x, y), &z));
    let dz = add_tangents(part(lhs, &tangents[0]), part(rhs, &tangents[1]));
    Ok((one(z), one(dz)))
}

/// The derivative of an operation that is constant almost everywhere, or whose results have no derivative.
pub(crate) fn zero<P: Primitive>(prim: P, primals: &[Array], _: &[Tangent]) -> Jvp {
    zero_jvp(prim, primals)
}

/// No derivative, as in JAX.
pub(crate) fn undefined<P: Primitive>(prim: P, _: &[Array], _: &[Tangent]) -> Jvp {
    bail!(Differentiation, "differentiation rule for '{}' not implemented", prim.name())
}

/// `x` with ones in place of zeros.
pub(crate) fn replace_zero(x: &Array) -> Array {
    lax::select(&lax::eq(x, &literal_like(x, 0.0)), &lax::full_like(x, 1.0), x)
}

/// Operands of rank 0 or of the full rank in one shape, each with the mapped axis in front: for operations that do not
/// stretch theirs as elementwise ones do. What is rank 0 and not mapped stays so where `keep_scalar` allows it.
pub(crate) fn full_batched(args: &[Array], dims: &[BatchDim], keep_scalar: &[bool]) -> SmallVec<[Array; 4]> {
    let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d])).unwrap_or(1);
    let rank = args.iter().zip(dims).map(|(x, d)| x.ndim() - usize::from(d.is_some())).max().unwrap_or(0);
    let moved: SmallVec<[Array; 4]> = args
        .iter()
        .zip(dims)
        .map(|(x, d)| d.map_or_else(|| x.clone(), |d| lax::move_axis(x, d, 0)))
        .collect();
    let mut shape = Shape::from_slice(&[size]);
    if rank > 0 {
        let largest = moved.iter().zip(dims).find(|(x, d)| x.ndim() - usize::from(d.is_some()) == rank);
        if let Some((x, d)) = largest {
            shape.extend_from_slice(&x.shape()[usize::from(d.is_some())..]);
        }
    }
    let broadcast = |((x, d), keep): ((&Array, &BatchDim), &bool)| {
        if d.is_none() && x.ndim() == 0 && *keep {
            return x.clone();
        }
        let first = usize::from(d.is_none());
        let axes: SmallVec<[usize; 4]> = (first..first + x.ndim()).collect();
        lax::broadcast_in_dim(x, &shape, &axes)
    };
    moved.iter().zip(dims).zip(keep_scalar).map(broadcast).collect()
}

/// The cotangents of an operation that is linear in one operand.
pub(crate) fn linear_ct(
    cts: &[Ct],
    ins: &[LinearInput],
    rule: impl FnOnce(&Array) -> Array,
) -> SmallVec<[Ct; 2]> {
    let ct = match &ins[0] {
        LinearInput::Linear(_) => cts[0].as_ref().map(rule),
        LinearInput::Known(_) => None,
    };
    one(ct)
}

/// Of one operand, whose mapped axis goes in front, away from those that the primitive works on.
pub(crate) fn batch_in_front<P: Primitive>(prim: P, args: &[Array], dims: &[BatchDim]) -> Batched {
    let dim = check::mapped(&prim, dims)?;
    one_batched(bind1(prim, &[&lax::move_axis(&args[0], dim, 0)]), Some(0))
}

/// One result and where it is mapped.
pub(crate) fn one_batched(x: Array, dim: BatchDim) -> Batched {
    Ok((one(x), one(dim)))
}
