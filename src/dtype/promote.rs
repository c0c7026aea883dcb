//! Type promotion: the least upper bound on JAX's lattice. JAX: `jax._src.dtypes._type_promotion_lattice`.
//!
//! ```text
//! bool → i* → u8 → u16 → u32 → u64 ┐                  bf16 ┐
//!         └→ i8 → i16 → i32 → i64 ─┴→ f* ─┬──────────→ f16 ┴→ f32 → f64 ───┐
//!      (u8 → i16, u16 → i32, u32 → i64)   └→ c* ─────────────→ c64 (f32 →) → c128
//! ```
//! A starred node is the weak type of a Rust or Python number, which gives way to any array of its kind. While x64 is
//! off, `u32 → i64` is `u32 → i32`.

use super::DType;
use crate::error::{Result, bail};

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
/// ```
/// use raxla::dtype::{DType::*, promote_types};
/// assert_eq!(promote_types((I32, false), (F16, false), false), (F16, false));
/// assert_eq!(promote_types((I8, false), (F32, true), false), (F32, true)); // an i8 array + 1.5
/// assert_eq!(promote_types((U32, false), (I32, false), true), (I64, false));
/// assert_eq!(promote_types((U32, false), (I32, false), false), (I32, false));
/// ```
pub fn promote_types(a: (DType, bool), b: (DType, bool), x64: bool) -> (DType, bool) {
    bound([a, b].into_iter(), x64)
}

/// The dtype, and whether it is weak, of a result of any number of operands. JAX: `jnp.result_type`.
///
/// The order is irrelevant. Grouping is too for the weak types that numbers have, but not for others, such as weak
/// `bf16`: of `bool`, weak `i8` and weak `bf16` the result is weak `f32`, but weak `bf16` if the
/// first two are promoted first.
///
/// # Errors
/// `result_type: at least one dtype is required`.
pub fn result_type(types: &[(DType, bool)], x64: bool) -> Result<(DType, bool)> {
    if types.is_empty() {
        bail!(InvalidArgument, "result_type: at least one dtype is required");
    }
    Ok(bound(types.iter().copied(), x64))
}

// JAX: `lattice_result_type`.
fn bound(types: impl Iterator<Item = (DType, bool)> + Clone, x64: bool) -> (DType, bool) {
    let types = types.map(|(dtype, weak)| (canonicalize(dtype, x64), weak && dtype != DType::Bool));
    // If all are weak, the bound is that of the strong dtypes, so that a weak f16 stays an f16.
    let all_weak = types.clone().all(|(_, weak)| weak);
    let nodes = types.map(|(dtype, weak)| if weak && !all_weak { weak_node(dtype) } else { dtype as usize });
    let above = if x64 { &ABOVE_X64 } else { &ABOVE_X32 };
    let common = nodes.fold(u32::MAX, |common, node| common & above[node]);
    // The least of the common upper bounds is the one below all of them. It exists: see the test of every pair.
    let least = (0..NODES).find(|&node| common & 1 << node != 0 && above[node] & common == common);
    match least {
        Some(node) if node < DType::ALL.len() => (DType::ALL[node], all_weak),
        Some(I_WEAK) => (canonicalize(DType::I64, x64), true),
        Some(F_WEAK) => (canonicalize(DType::F64, x64), true),
        _ => (canonicalize(DType::C128, x64), true),
    }
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
    let edges: [(usize, &[usize]); NODES] = [
        (Bool as usize, &[I_WEAK]),
        (I_WEAK, &[U8 as usize, I8 as usize]),
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
        (C128 as usize, &[]),
    ];
    let mut above = [0; NODES];
    let mut node = 0;
    while node < NODES {
        above[node] = 1 << node;
        node += 1;
    }
    // Each round reaches one edge further.
    let mut round = 0;
    while round < NODES {
        let mut edge = 0;
        while edge < NODES {
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
