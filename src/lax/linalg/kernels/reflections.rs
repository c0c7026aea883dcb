//! Factors by Householder's reflections `1 - tau v vᴴ`: their vectors stand packed where the factor has zeros, without their first
//! element, which is 1. LAPACK: `geqp3`, `gehrd`, `sytrd`.

use super::field::{Field, Real};
use super::{Generic, kernel, parts_mut, sides};
use crate::error::Result;
use crate::pjrt::{Kernel, KernelCall};

/// `a[..,m,n]` -> the packed factors of the matrix with its columns in another order, that order, `i32[..,n]`, and the factors of the
/// reflections, `[..,min(m,n)]`.
pub(in crate::lax::linalg) static GEQP3: Kernel = kernel::<Geqp3>("geqp3");
/// `a[..,n,n]` -> the packed Hessenberg form, and the factors of the reflections, `[..,n-1]`.
pub(in crate::lax::linalg) static GEHRD: Kernel = kernel::<Gehrd>("gehrd");
/// `a[..,n,n]`, of which the `lower` triangle is read, or the upper one -> the packed tridiagonal form, its diagonal `[..,n]` and the
/// one beside it `[..,n-1]`, which are real, and the factors of the reflections, `[..,n-1]`.
pub(in crate::lax::linalg) static SYTRD: Kernel = kernel::<Sytrd>("sytrd");

struct Geqp3;
struct Gehrd;
struct Sytrd;

impl Generic for Geqp3 {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let [m, n] = sides(call, 0);
        let (a, packed) = (call.operand::<T>(0)?, call.result::<T>(0)?);
        let (order, taus) = (call.result::<i32>(1)?, call.result::<T>(2)?);
        packed.copy_from_slice(a);
        let each = parts_mut(packed, m * n).zip(parts_mut(order, n)).zip(parts_mut(taus, m.min(n)));
        for ((a, order), taus) in each {
            geqp3(&mut Matrix { a, n }, order, taus);
        }
        Ok(())
    }
}

impl Generic for Gehrd {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let [_, n] = sides(call, 0);
        let (a, packed, taus) = (call.operand::<T>(0)?, call.result::<T>(0)?, call.result::<T>(1)?);
        packed.copy_from_slice(a);
        for (a, taus) in parts_mut(packed, n * n).zip(parts_mut(taus, n.saturating_sub(1))) {
            gehrd(&mut Matrix { a, n }, taus);
        }
        Ok(())
    }
}

impl Generic for Sytrd {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let [_, n] = sides(call, 0);
        let lower = call.flag("lower");
        let (a, packed) = (call.operand::<T>(0)?, call.result::<T>(0)?);
        let (d, e, taus) = (call.result::<T::Real>(1)?, call.result::<T::Real>(2)?, call.result::<T>(3)?);
        packed.copy_from_slice(a);
        let (mut e, mut taus) = (e.chunks_exact_mut((n - 1).max(1)), taus.chunks_exact_mut((n - 1).max(1)));
        for (a, d) in parts_mut(packed, n * n).zip(parts_mut(d, n)) {
            // Of matrices of one element there are none beside the diagonal.
            let (e, taus) = (e.next().unwrap_or_default(), taus.next().unwrap_or_default());
            sytrd(&mut Matrix { a, n }, lower, d, e, taus);
        }
        Ok(())
    }
}

/// A matrix of `n` columns, row-major.
pub(super) struct Matrix<'a, T> {
    pub a: &'a mut [T],
    pub n: usize,
}

impl<T: Field> Matrix<'_, T> {
    pub(super) fn at(&self, i: usize, j: usize) -> T {
        self.a[i * self.n + j]
    }
    pub(super) fn set(&mut self, i: usize, j: usize, x: T) {
        self.a[i * self.n + j] = x;
    }
    fn rows(&self) -> usize {
        self.a.len() / self.n
    }
    fn swap_columns(&mut self, j: usize, k: usize) {
        for row in self.a.chunks_exact_mut(self.n) {
            row.swap(j, k);
        }
    }

    /// `(1 - tau v vᴴ) a` of the rows from `top` on and the columns from `left` on.
    pub(super) fn reflect_rows(&mut self, tau: T, v: &[T], top: usize, left: usize) {
        let n = self.n;
        let mut sums = vec![T::ZERO; n - left];
        for (row, v) in self.a[top * n..].chunks_exact(n).zip(v) {
            for (sum, x) in sums.iter_mut().zip(&row[left..]) {
                *sum += v.conj() * *x;
            }
        }
        for (row, v) in self.a[top * n..].chunks_exact_mut(n).zip(v) {
            for (sum, x) in sums.iter().zip(&mut row[left..]) {
                *x -= tau * *v * *sum;
            }
        }
    }

    /// `a (1 - tau v vᴴ)` of the columns from `left` on.
    pub(super) fn reflect_columns(&mut self, tau: T, v: &[T], left: usize) {
        for row in self.a.chunks_exact_mut(self.n) {
            let row = &mut row[left..left + v.len()];
            let sum = row.iter().zip(v).fold(T::ZERO, |sum, (x, v)| sum + *x * *v);
            for (x, v) in row.iter_mut().zip(v) {
                *x -= tau * sum * v.conj();
            }
        }
    }
}

/// The Euclidean norm, without overflow.
pub(super) fn norm<T: Field>(x: impl Iterator<Item = T> + Clone) -> T::Real {
    let most = x.clone().fold(T::Real::ZERO, |most, x| most.larger(x.re().abs()).larger(x.im().abs()));
    // No number is neither larger than zero nor equal to it.
    let sum = x.fold(T::Real::ZERO, |sum, x| match most == T::Real::ZERO {
        true => sum + x.abs2(),
        false => sum + x.scale(T::Real::ONE / most).abs2(),
    });
    if most == T::Real::ZERO { sum.root() } else { most * sum.root() }
}

/// Makes of `x` the vector of the reflection whose conjugate transpose maps it to `(beta, 0, …)`, with 1 as its first element, and
/// gives `beta`, which is real, and `tau`. LAPACK: `larfg`.
pub(super) fn reflection<T: Field>(x: &mut [T]) -> (T::Real, T) {
    let Some((first, rest)) = x.split_first_mut() else { return (T::Real::ZERO, T::ZERO) };
    let alpha = std::mem::replace(first, T::ONE);
    let beyond = norm(rest.iter().copied());
    if beyond == T::Real::ZERO && alpha.im() == T::Real::ZERO {
        return (alpha.re(), T::ZERO);
    }
    let beta = -alpha.re().hypotenuse(alpha.im()).hypotenuse(beyond).signed(alpha.re());
    let by = T::ONE / (alpha - T::from_real(beta));
    for x in rest {
        *x = *x * by;
    }
    (beta, T::new((beta - alpha.re()) / beta, -alpha.im() / beta))
}

fn geqp3<T: Field>(a: &mut Matrix<'_, T>, order: &mut [i32], taus: &mut [T]) {
    let (m, n) = (a.rows(), a.n);
    order.iter_mut().zip(0..).for_each(|(x, i)| *x = i);
    let column = |a: &Matrix<'_, T>, j: usize, top: usize| {
        norm((top..m).map(|i| a.at(i, j)).collect::<Vec<_>>().into_iter())
    };
    // What is left of each column's norm, and what it was when it was last computed and not updated.
    let mut norms: Vec<T::Real> = (0..n).map(|j| column(a, j, 0)).collect();
    let mut computed = norms.clone();
    let limit = T::Real::EPSILON.root();
    for (i, tau) in taus.iter_mut().enumerate() {
        let mut pivot = i;
        for j in i + 1..n {
            if norms[j] > norms[pivot] {
                pivot = j;
            }
        }
        if pivot != i {
            a.swap_columns(i, pivot);
            order.swap(i, pivot);
            norms[pivot] = norms[i];
            computed[pivot] = computed[i];
        }
        let mut v: Vec<T> = (i..m).map(|row| a.at(row, i)).collect();
        let beta;
        (beta, *tau) = reflection(&mut v);
        if i + 1 < n {
            a.reflect_rows(tau.conj(), &v, i, i + 1);
        }
        a.set(i, i, T::from_real(beta));
        for (row, v) in (i..m).zip(&v).skip(1) {
            a.set(row, i, *v);
        }
        // Drmač and Bujanović 2008: when an update would cancel, the norm is computed.
        for j in i + 1..n {
            if norms[j] == T::Real::ZERO {
                continue;
            }
            let ratio = a.at(i, j).abs() / norms[j];
            let left = (T::Real::ONE - ratio * ratio).larger(T::Real::ZERO);
            let since = norms[j] / computed[j];
            if left * since * since <= limit {
                norms[j] = if i + 1 < m { column(a, j, i + 1) } else { T::Real::ZERO };
                computed[j] = norms[j];
            } else {
                norms[j] = norms[j] * left.root();
            }
        }
    }
}

pub(super) fn gehrd<T: Field>(a: &mut Matrix<'_, T>, taus: &mut [T]) {
    let n = a.n;
    for (i, tau) in taus.iter_mut().enumerate() {
        let mut v: Vec<T> = (i + 1..n).map(|row| a.at(row, i)).collect();
        let beta;
        (beta, *tau) = reflection(&mut v);
        a.reflect_columns(*tau, &v, i + 1);
        a.reflect_rows(tau.conj(), &v, i + 1, i + 1);
        a.set(i + 1, i, T::from_real(beta));
        for (row, v) in (i + 1..n).zip(&v).skip(1) {
            a.set(row, i, *v);
        }
    }
}

/// Of a Hermitian matrix the elements of one triangle.
struct Triangle<'m, 'a, T> {
    a: &'m mut Matrix<'a, T>,
    lower: bool,
}

impl<T: Field> Triangle<'_, '_, T> {
    /// The place of an element or of its mirror image, and whether it is that.
    fn place(&self, i: usize, j: usize) -> (usize, usize, bool) {
        if (i >= j) == self.lower || i == j { (i, j, false) } else { (j, i, true) }
    }
    fn at(&self, i: usize, j: usize) -> T {
        let (row, column, mirrored) = self.place(i, j);
        let x = self.a.at(row, column);
        match (i == j, mirrored) {
            (true, _) => T::from_real(x.re()),
            (false, true) => x.conj(),
            (false, false) => x,
        }
    }
}

fn sytrd<T: Field>(a: &mut Matrix<'_, T>, lower: bool, d: &mut [T::Real], e: &mut [T::Real], taus: &mut [T]) {
    let n = a.n;
    let half = T::Real::of(0.5);
    for step in 0..n.saturating_sub(1) {
        // The reflected rows and columns, and the row or column beside them.
        let (from, to, beside) = if lower { (step + 1, n, step) } else { (0, n - 1 - step, n - 1 - step) };
        let t = Triangle { a, lower };
        // LAPACK's reflection of the upper triangle ends with the element beside the diagonal.
        let rows: Vec<usize> = if lower { (from..to).collect() } else { (from..to).rev().collect() };
        let stored = |t: &Triangle<'_, '_, T>, row: usize| t.a.at(row, beside);
        let mut v: Vec<T> = rows.iter().map(|row| stored(&t, *row)).collect();
        let (beta, tau) = reflection(&mut v);
        let at = if lower { step } else { n - 2 - step };
        (e[at], taus[at]) = (beta, tau);
        // w = tau A v - (tau/2) (tau A v)ᴴ v v, and A -= v wᴴ + w vᴴ
        let product = |i: usize| rows.iter().zip(&v).fold(T::ZERO, |sum, (j, v)| sum + t.at(i, *j) * *v);
        let mut w: Vec<T> = rows.iter().map(|i| tau * product(*i)).collect();
        let dot = w.iter().zip(&v).fold(T::ZERO, |sum, (w, v)| sum + w.conj() * *v);
        let by = -(tau * dot).scale(half);
        for (w, v) in w.iter_mut().zip(&v) {
            *w += by * *v;
        }
        for (x, i) in rows.iter().enumerate() {
            for (y, j) in rows.iter().enumerate() {
                let (row, column, mirrored) = t.place(*i, *j);
                if !mirrored {
                    let now = t.at(*i, *j) - v[x] * w[y].conj() - w[x] * v[y].conj();
                    t.a.set(row, column, if i == j { T::from_real(now.re()) } else { now });
                }
            }
        }
        t.a.set(rows[0], beside, T::from_real(beta));
        for (row, v) in rows.iter().zip(&v).skip(1) {
            t.a.set(*row, beside, *v);
        }
    }
    for (i, d) in d.iter_mut().enumerate() {
        *d = a.at(i, i).re();
        a.set(i, i, T::from_real(*d));
    }
}
