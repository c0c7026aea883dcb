//! Type promotion: the least upper bound on JAX's lattice. JAX: `jax._src.dtypes._type_promotion_lattice`.
//!
//! ```text
//! bool → i* → u8 → u16 → u32 → u64 ┐                  bf16 ┐
//!         └→ i8 → i16 → i32 → i64 ─┴→ f* ─┬──────────→ f16 ┴→ f32 → f64 ───┐
//!      (u8 → i16, u16 → i32, u32 → i64)   └→ c* ─────────────→ c64 (f32 →) → c128
//! ```
//! A starred node is the weak type of a Rust or Python number, which gives way to any array of its kind. While x64 is
//! off, `u32 → i64` is `u32 → i32`. Floats of eight and four bits are above `f*`, integers of four and two bits above `i*`, and
//! nothing is above those: they promote to no other dtype.

use super::DType;
use crate::error::{Error, Result, bail, err};

/// The dtype that an array of `dtype` really gets: while x64 is off, 64-bit numbers become 32-bit ones.
/// JAX: `jax.dtypes.canonicalize_dtype`.
pub const fn canonicalize(dtype: DType, x64: bool) -> DType {
    match dtype {
        _ if x64 => dtype,
        DType::I64 => DType::I32,
        DType::U64 => DType::U32,
        DType::F64 => DType::F32,
        DType::C128 => DType::C64,
        _ => dtype,
    }
}

/// The dtype, and whether it is weak, of a result of two operands. JAX: `jnp.promote_types` with weak types.
///
/// # Errors
/// `f8_e4m3fn and f32 have no implicit promotion: floats of eight or fewer bits promote to no other float. Convert one by astype`;
/// so do integers of four or fewer bits with other numbers.
/// ```
/// use raxla::dtype::{DType::*, promote_types};
/// assert_eq!(promote_types((I32, false), (F16, false), false)?, (F16, false));
/// assert_eq!(promote_types((I8, false), (F32, true), false)?, (F32, true)); // an i8 array + 1.5
/// assert_eq!(promote_types((U32, false), (I32, false), true)?, (I64, false));
/// assert_eq!(promote_types((U32, false), (I32, false), false)?, (I32, false));
/// assert_eq!(promote_types((F8E5M2, false), (F32, true), false)?, (F8E5M2, false)); // an f8_e5m2 array + 1.5
/// assert!(promote_types((F8E5M2, false), (F32, false), false).is_err());
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn promote_types(a: (DType, bool), b: (DType, bool), x64: bool) -> Result<(DType, bool)> {
    bound(&[a, b], x64)
}

/// The dtype, and whether it is weak, of a result of any number of operands. JAX: `jnp.result_type`.
///
/// The order is irrelevant. Grouping is too for the weak types that numbers have, but not for others, such as weak
/// `bf16`: of `bool`, weak `i8` and weak `bf16` the result is weak `f32`, but weak `bf16` if the
/// first two are promoted first.
///
/// # Errors
/// `result_type: at least one dtype is required`; those of [`promote_types`].
pub fn result_type(types: &[(DType, bool)], x64: bool) -> Result<(DType, bool)> {
    if types.is_empty() {
        bail!(InvalidArgument, "result_type: at least one dtype is required");
    }
    bound(types, x64)
}

/// [`result_type`] where dtypes are not converted: all but numbers have one dtype, which holds the numbers. JAX:
/// `jax_numpy_dtype_promotion="strict"`.
pub(crate) fn strict_result_type(given: &[(DType, bool)], x64: bool) -> Result<(DType, bool)> {
    if given.is_empty() {
        bail!(InvalidArgument, "result_type: at least one dtype is required");
    }
    if given.iter().any(|(dtype, _)| *dtype == DType::Float0) {
        return Err(no_bound(given, x64));
    }
    let types = given.iter().map(|&(dtype, weak)| (canonicalize(dtype, x64), weak && dtype != DType::Bool));
    let same = types.clone().all(|(dtype, _)| types.clone().all(|(other, _)| other == dtype));
    let all_weak = types.clone().all(|(_, weak)| weak);
    let mut strong = types.clone().filter(|(_, weak)| !weak).map(|(dtype, _)| dtype);
    // Complex numbers above floats above integers.
    let kind = |dtype: DType| weak_node(dtype);
    let number = types.clone().filter(|(_, weak)| *weak).map(|(dtype, _)| kind(dtype)).max();
    match (strong.next(), number) {
        (Some(dtype), _) if same => Ok((dtype, false)),
        (Some(dtype), number)
            if strong.all(|other| other == dtype)
                && number.is_none_or(|number| dtype != DType::Bool && number <= kind(dtype)) =>
        {
            Ok((dtype, false))
        }
        (None, Some(_)) if given.len() == 1 => Ok((canonicalize(given[0].0, x64), true)),
        (None, Some(number)) => Ok((canonicalize(dtype_of(number), x64), all_weak)),
        _ => {
            let names = names_of(given, x64).join(" and ");
            Err(err!(
                DType,
                "{names} have no implicit promotion while numpy_dtype_promotion is strict. Convert one by astype"
            ))
        }
    }
}

/// The least upper bound of two dtypes as they are, also of those of 64 bits while x64 is off. JAX: `promote_types`.
pub(crate) fn promote_as_given(a: DType, b: DType, x64: bool) -> Result<DType> {
    let types = [(a, false), (b, false)];
    let Some((node, _)) = least(types.into_iter(), x64) else { return Err(no_bound(&types, true)) };
    Ok(dtype_of(node))
}

/// Why nothing computes with [`DType::Float0`].
pub(crate) const NO_OPERATIONS: &str = "float0, the dtype of derivatives with respect to integers and booleans, has no operations: \
                                        take a derivative with respect to floats, or write zeros of the dtype that is wanted";

// JAX: `lattice_result_type`.
fn bound(given: &[(DType, bool)], x64: bool) -> Result<(DType, bool)> {
    let types = given.iter().map(|&(dtype, weak)| (canonicalize(dtype, x64), weak && dtype != DType::Bool));
    let Some((node, all_weak)) = least(types, x64) else { return Err(no_bound(given, x64)) };
    Ok((canonicalize(dtype_of(node), x64), all_weak || node >= DType::ALL.len()))
}

/// The dtype that a node stands for.
fn dtype_of(node: usize) -> DType {
    match node {
        I_WEAK => DType::I64,
        F_WEAK => DType::F64,
        C_WEAK => DType::C128,
        _ => DType::ALL[node],
    }
}

/// The least of the common upper bounds, and whether all types are weak.
fn least(types: impl Iterator<Item = (DType, bool)> + Clone, x64: bool) -> Option<(usize, bool)> {
    if types.clone().any(|(dtype, _)| dtype == DType::Float0) {
        return None;
    }
    // If all are weak, the bound is that of the strong dtypes, so that a weak f16 stays an f16.
    let all_weak = types.clone().all(|(_, weak)| weak);
    let nodes = types.map(|(dtype, weak)| if weak && !all_weak { weak_node(dtype) } else { dtype as usize });
    let above = if x64 { &ABOVE_X64 } else { &ABOVE_X32 };
    let common = nodes.fold(u32::MAX, |common, node| common & above[node]);
    // It is the one below all of them.
    let least = (0..NODES).find(|&node| common & 1 << node != 0 && above[node] & common == common);
    least.map(|node| (node, all_weak))
}

/// Each once.
fn names_of(given: &[(DType, bool)], x64: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for &(dtype, weak) in given {
        let name = format!("{}{}", canonicalize(dtype, x64), if weak { " of a number" } else { "" });
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The error for dtypes without a common one. JAX: `TypePromotionError`.
#[cold]
fn no_bound(given: &[(DType, bool)], x64: bool) -> Error {
    if given.iter().any(|(dtype, _)| *dtype == DType::Float0) {
        return err!(DType, "{NO_OPERATIONS}");
    }
    let mut names = names_of(given, x64);
    let last = names.pop().unwrap_or_default();
    let why = if given.iter().any(|(dtype, _)| dtype.is_small_float()) {
        "floats of eight or fewer bits promote to no other float"
    } else {
        "integers of four or fewer bits promote to no other dtype"
    };
    err!(DType, "{} and {last} have no implicit promotion: {why}. Convert one by astype", names.join(", "))
}

// A node of the lattice is a dtype's discriminant, which is also its position in `DType::ALL`, or one of these.
const I_WEAK: usize = DType::ALL.len();
const F_WEAK: usize = I_WEAK + 1;
const C_WEAK: usize = I_WEAK + 2;
const NODES: usize = I_WEAK + 3;

fn weak_node(dtype: DType) -> usize {
    match dtype {
        _ if dtype.is_complex() => C_WEAK,
        _ if dtype.is_float() => F_WEAK,
        _ => I_WEAK,
    }
}

/// For each node the set of nodes at or above it.
static ABOVE_X64: [u32; NODES] = above(true);
static ABOVE_X32: [u32; NODES] = above(false);

const fn above(x64: bool) -> [u32; NODES] {
    use DType::*;
    // What is in no first place has nothing above it.
    let edges: [(usize, &[usize]); 17] = [
        (Bool as usize, &[I_WEAK]),
        (I_WEAK, &[I2 as usize, I4 as usize, I8 as usize, U2 as usize, U4 as usize, U8 as usize]),
        (U8 as usize, &[I16 as usize, U16 as usize]),
        (U16 as usize, &[I32 as usize, U32 as usize]),
        // Off x64, promotion forms no 64-bit type from narrower ones.
        (U32 as usize, if x64 { &[I64 as usize, U64 as usize] } else { &[I32 as usize, U64 as usize] }),
        (U64 as usize, &[F_WEAK]),
        (I8 as usize, &[I16 as usize]),
        (I16 as usize, &[I32 as usize]),
        (I32 as usize, &[I64 as usize]),
        (I64 as usize, &[F_WEAK]),
        (F_WEAK, &[BF16 as usize, F16 as usize, C_WEAK]),
        (BF16 as usize, &[F32 as usize]),
        (F16 as usize, &[F32 as usize]),
        (F32 as usize, &[F64 as usize, C64 as usize]),
        (F64 as usize, &[C128 as usize]),
        (C_WEAK, &[C64 as usize]),
        (C64 as usize, &[C128 as usize]),
    ];
    let mut above = [0; NODES];
    let mut node = 0;
    while node < NODES {
        above[node] = 1 << node;
        node += 1;
    }
    while node > 0 {
        node -= 1;
        if node < I_WEAK && DType::ALL[node].is_small_float() {
            above[F_WEAK] |= 1 << node;
        }
    }
    // Each round reaches one edge further.
    let mut round = 0;
    while round < NODES {
        let mut edge = 0;
        while edge < edges.len() {
            let (from, to) = edges[edge];
            let mut i = 0;
            while i < to.len() {
                above[from] |= above[to[i]];
                i += 1;
            }
            edge += 1;
        }
        round += 1;
    }
    above
}
