//! `associative_scan`: prefix combinations in parallel. JAX: `lax.associative_scan`.
//!
//! Blelloch 1990, "Prefix sums and their applications": combine pairs of neighbours, scan those, fill in the rest.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::check;
use crate::error::{Error, ErrorKind, OrThrow, throw};
use crate::lax::full::literal_like;
use crate::lax::{add, bitwise_or, concatenate, pad, rev, slice_in_dim};

/// All prefixes of `elems` along `axis` combined by `f`, which must be associative: `[a, f(a, b), f(f(a, b), c), ...]`,
/// or, with `reverse`, the suffixes.
///
/// `f` takes and gives one array for each of `elems`, with any size along `axis`, and works elementwise along it.
///
/// # Errors
/// `associative_scan: all elems must have the same size along axis 0, got 3 and 4`; an axis out of range.
#[track_caller]
pub fn associative_scan(
    f: impl Fn(&[Array], &[Array]) -> Vec<Array>,
    elems: &[Array],
    reverse: bool,
    axis: i64,
) -> Vec<Array> {
    let Some(first) = elems.first() else { return Vec::new() };
    let axis = check::canonicalize_axis("associative_scan", axis, first.ndim()).or_throw();
    let size = first.shape()[axis];
    if let Some(other) = elems.iter().find(|x| x.shape().get(axis) != Some(&size)) {
        throw(Error::new(
            ErrorKind::Shape,
            format!(
                "associative_scan: all elems must have the same size along axis {axis}, got {} and {}",
                first.aval(),
                other.aval()
            ),
        ));
    }
    let flip = |xs: Vec<Array>| -> Vec<Array> {
        if reverse { xs.iter().map(|x| rev(x, &[axis])).collect() } else { xs }
    };
    flip(scan(&f, flip(elems.to_vec()), axis))
}

/// The operation of a scan.
type Combine<'a> = &'a dyn Fn(&[Array], &[Array]) -> Vec<Array>;

fn scan(f: Combine<'_>, elems: Vec<Array>, axis: usize) -> Vec<Array> {
    let size = elems[0].shape()[axis];
    if size < 2 {
        return elems;
    }
    let part = |xs: &[Array], start: i64, limit: Option<i64>, stride: usize| -> Vec<Array> {
        xs.iter().map(|x| slice_in_dim(x, start, limit, stride, axis as i64)).collect()
    };
    let pairs = f(&part(&elems, 0, Some(-1), 2), &part(&elems, 1, None, 2));
    let odd = scan(f, pairs, axis);
    let rest = part(&elems, 2, None, 2);
    let even = if size.is_multiple_of(2) { f(&part(&odd, 0, Some(-1), 1), &rest) } else { f(&odd, &rest) };
    let heads = part(&elems, 0, Some(1), 1);
    let even = heads.iter().zip(&even).map(|(head, tail)| concatenate(&[head, tail], axis));
    even.zip(&odd).map(|(even, odd)| interleave(&even, odd, axis)).collect()
}

/// `[even₀, odd₀, even₁, odd₁, ...]`: both spread out by zeros, and added.
fn interleave(even: &Array, odd: &Array, axis: usize) -> Array {
    let equal = i64::from(even.shape()[axis] == odd.shape()[axis]);
    let spread = |x: &Array, low: i64, high: i64| {
        let mut config: SmallVec<[(i64, i64, i64); 4]> = SmallVec::from_elem((0, 0, 0), x.ndim());
        config[axis] = (low, high, 1);
        pad(x, literal_like(x, 0.0), &config)
    };
    let (even, odd) = (spread(even, 0, equal), spread(odd, 1, 1 - equal));
    if even.dtype().is_bool() { bitwise_or(&even, &odd) } else { add(&even, &odd) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;

    #[test]
    fn prefixes_and_suffixes_are_combined() {
        for n in [0usize, 1, 2, 3, 4, 7, 8] {
            let x: Vec<i32> = (1..=n as i32).collect();
            let sums = |reverse| {
                let f = |a: &[Array], b: &[Array]| vec![add(&a[0], &b[0])];
                associative_scan(f, &[Array::from(x.clone())], reverse, -1)[0].to_vec::<i32>().unwrap()
            };
            let mut total = 0;
            let expected: Vec<i32> = x
                .iter()
                .map(|v| {
                    total += v;
                    total
                })
                .collect();
            assert_eq!(sums(false), expected);
            let expected: Vec<i32> = x.iter().map(|v| total - (v - 1) * v / 2).collect();
            assert_eq!(sums(true), expected);
        }
    }

    #[test]
    fn sizes_must_agree() {
        let f = |a: &[Array], _: &[Array]| a.to_vec();
        let xs = [Array::from([1, 2]), Array::from([1])];
        let e = catch(|| Ok(associative_scan(f, &xs, false, 0))).unwrap_err();
        assert_eq!(
            e.message(),
            "associative_scan: all elems must have the same size along axis 0, got i32[2] and i32[1]"
        );
    }
}
