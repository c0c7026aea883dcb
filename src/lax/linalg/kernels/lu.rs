//! LU factors with row pivots. LAPACK: `getrf`.

use super::field::Field;
use super::{Generic, kernel, parts_mut, sides};
use crate::error::Result;
use crate::pjrt::{Kernel, KernelCall};

/// `a[..,m,n]` -> the packed factors `[..,m,n]`; which row each row was exchanged with, `i32[..,min(m,n)]`; and the permutation that this
/// makes, `i32[..,m]`.
pub(in crate::lax::linalg) static GETRF: Kernel = kernel::<Getrf>("getrf");

struct Getrf;

impl Generic for Getrf {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let [m, n] = sides(call, 0);
        let (a, lu, pivots) = (call.operand::<T>(0)?, call.result::<T>(0)?, call.result::<i32>(1)?);
        let permutation = call.result::<i32>(2)?;
        lu.copy_from_slice(a);
        let each = parts_mut(lu, m * n).zip(parts_mut(pivots, m.min(n))).zip(parts_mut(permutation, m));
        for ((lu, pivots), permutation) in each {
            getrf(lu, n, pivots);
            permutation.iter_mut().zip(0..).for_each(|(x, i)| *x = i);
            for (i, pivot) in pivots.iter().enumerate() {
                permutation.swap(i, *pivot as usize);
            }
        }
        Ok(())
    }
}

/// Columns that are factored before the rest of the matrix is updated.
const PANEL: usize = 32;

fn getrf<T: Field>(a: &mut [T], n: usize, pivots: &mut [i32]) {
    let r = pivots.len();
    for start in (0..r).step_by(PANEL) {
        let end = (start + PANEL).min(r);
        for (k, pivot) in (start..end).zip(&mut pivots[start..end]) {
            let row = largest(a, n, k);
            *pivot = row as i32;
            if row != k {
                let (above, below) = a.split_at_mut(row * n);
                above[k * n..(k + 1) * n].swap_with_slice(&mut below[..n]);
            }
            let (above, below) = a.split_at_mut((k + 1) * n);
            let top = &above[k * n..];
            let diagonal = top[k];
            for row in below.chunks_exact_mut(n) {
                // A column of zeros stays one.
                if diagonal != T::ZERO {
                    row[k] = row[k] / diagonal;
                }
                let by = row[k];
                subtract(&mut row[k + 1..end], by, &top[k + 1..end]);
            }
        }
        if end == n {
            break;
        }
        let (above, below) = a.split_at_mut(end * n);
        let panel = &mut above[start * n..];
        for k in 1..end - start {
            let (top, rest) = panel.split_at_mut(k * n);
            for j in 0..k {
                let by = rest[start + j];
                subtract(&mut rest[end..n], by, &top[j * n + end..(j + 1) * n]);
            }
        }
        for row in below.chunks_exact_mut(n) {
            let (factors, rest) = row.split_at_mut(end);
            update(rest, &factors[start..], panel, n, end);
        }
    }
}

/// The first row, from `k` on, whose element of column `k` is the largest.
fn largest<T: Field>(a: &[T], n: usize, k: usize) -> usize {
    let (mut at, mut most) = (k, a[k * n + k].abs1());
    for row in k + 1..a.len() / n {
        let size = a[row * n + k].abs1();
        if size > most {
            (at, most) = (row, size);
        }
    }
    at
}

/// `x -= by y`
fn subtract<T: Field>(x: &mut [T], by: T, y: &[T]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x -= by * *y;
    }
}

/// Subtracts from `rest`, which is a row from column `end` on, the rows of `panel` by `factors`: four at a time, so that a row is
/// read and written a quarter as often.
fn update<T: Field>(rest: &mut [T], factors: &[T], panel: &[T], n: usize, end: usize) {
    let row = |k: usize| &panel[k * n + end..(k + 1) * n];
    let mut k = 0;
    while k + 4 <= factors.len() {
        let [f0, f1, f2, f3] = [0, 1, 2, 3].map(|i| factors[k + i]);
        let [r0, r1, r2, r3] = [0, 1, 2, 3].map(|i| &row(k + i)[..rest.len()]);
        for (j, x) in rest.iter_mut().enumerate() {
            *x -= (f0 * r0[j] + f1 * r1[j]) + (f2 * r2[j] + f3 * r3[j]);
        }
        k += 4;
    }
    for (k, factor) in factors.iter().enumerate().skip(k) {
        subtract(rest, *factor, row(k));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_of_several_panels_is_the_product_of_its_factors() {
        let (m, n) = (75, 83);
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let a: Vec<f64> = (0..m * n).map(|_| draw()).collect();
        let (mut lu, mut pivots, mut permuted) = (a.clone(), vec![0; m], a);
        getrf(&mut lu, n, &mut pivots);
        for (k, row) in pivots.iter().enumerate() {
            for j in 0..n {
                permuted.swap(k * n + j, *row as usize * n + j);
            }
        }
        for i in 0..m {
            for j in 0..n {
                let l = |k: usize| if k == i { 1.0 } else { lu[i * n + k] };
                let product: f64 = (0..=i.min(j)).map(|k| l(k) * lu[k * n + j]).sum();
                assert!((product - permuted[i * n + j]).abs() < 1e-12);
            }
        }
    }
}
