//! Schur's form by the QR algorithm, with double shifts of real matrices. LAPACK: `gees`, whose steps are those of `lahqr`.

use super::field::{Field, Real};
use super::reflections::{Matrix, gehrd, reflection};
use super::{Generic, kernel, parts_mut, sides};
use crate::error::Result;
use crate::pjrt::{Kernel, KernelCall};

/// `a[..,n,n]` -> the triangular form, of real matrices with blocks of two rows for pairs of complex eigenvalues, and the unitary
/// vectors, `[..,n,n]` each. No numbers where it does not converge.
pub(in crate::lax::linalg) static GEES: Kernel = kernel::<Gees>("gees");

struct Gees;

impl Generic for Gees {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let [_, n] = sides(call, 0);
        let (a, t, q) = (call.operand::<T>(0)?, call.result::<T>(0)?, call.result::<T>(1)?);
        t.copy_from_slice(a);
        for (t, q) in parts_mut(t, n * n).zip(parts_mut(q, n * n)) {
            if !schur(&mut Matrix { a: t, n }, &mut Matrix { a: q, n }) {
                t.fill(T::nan());
                q.fill(T::nan());
            }
        }
        Ok(())
    }
}

fn schur<T: Field>(h: &mut Matrix<'_, T>, z: &mut Matrix<'_, T>) -> bool {
    let n = h.n;
    if !h.a.iter().all(|x| x.is_finite()) {
        return false;
    }
    let mut taus = vec![T::ZERO; n - 1];
    gehrd(h, &mut taus);
    z.a.fill(T::ZERO);
    (0..n).for_each(|i| z.set(i, i, T::ONE));
    // The product of the reflections, the last one first.
    for (i, tau) in taus.iter().enumerate().rev() {
        let mut v: Vec<T> = (i + 1..n).map(|row| h.at(row, i)).collect();
        v[0] = T::ONE;
        z.reflect_rows(*tau, &v, i + 1, i + 1);
        (i + 2..n).for_each(|row| h.set(row, i, T::ZERO));
    }
    T::hessenberg_qr(h, z)
}

/// The limit of iterations for one eigenvalue.
fn iterations(n: usize) -> usize {
    30 * n.max(10)
}

/// Is the element left of the diagonal in row `k` negligible? Ahues and Tisseur 1997, (2.4).
fn is_small<T: Field>(h: &Matrix<'_, T>, k: usize) -> bool {
    let n = h.n;
    let (zero, epsilon) = (T::Real::ZERO, T::Real::EPSILON);
    let tiny = T::Real::TINY * (T::Real::of(n as f64) / epsilon);
    let below = h.at(k, k - 1).abs1();
    if below <= tiny {
        return true;
    }
    let mut size = h.at(k - 1, k - 1).abs1() + h.at(k, k).abs1();
    if size == zero {
        if k >= 2 {
            size += h.at(k - 1, k - 2).abs1();
        }
        if k + 1 < n {
            size += h.at(k + 1, k).abs1();
        }
    }
    if below > epsilon * size {
        return false;
    }
    let above = h.at(k - 1, k).abs1();
    let (ab, ba) = (below.larger(above), below.smaller(above));
    let (x, y) = (h.at(k, k).abs1(), (h.at(k - 1, k - 1) - h.at(k, k)).abs1());
    let (aa, bb) = (x.larger(y), x.smaller(y));
    let s = aa + ab;
    ba * (ab / s) <= tiny.larger(epsilon * (bb * (aa / s)))
}

/// The first row of the block that ends with row `i`: the element left of its diagonal is made zero.
fn deflate<T: Field>(h: &mut Matrix<'_, T>, from: usize, i: usize) -> usize {
    let l = (from + 1..=i).rev().find(|k| is_small(h, *k)).unwrap_or(from);
    if l > from {
        h.set(l, l - 1, T::ZERO);
    }
    l
}

/// Rows `k`, `k + 1`, … become those of `(1 - tau v vᴴ) h`, and columns those of `h (1 - tau v vᴴ)`.
fn reflect<T: Field>(h: &mut Matrix<'_, T>, z: &mut Matrix<'_, T>, tau: T, v: &[T], k: usize, i: usize) {
    let rows = (k + v.len() + 1).min(i + 1);
    for j in k..h.n {
        let sum = v.iter().zip(k..).fold(T::ZERO, |sum, (v, row)| sum + v.conj() * h.at(row, j));
        for (v, row) in v.iter().zip(k..) {
            h.set(row, j, h.at(row, j) - tau.conj() * *v * sum);
        }
    }
    let of_h = h.a.chunks_exact_mut(h.n).take(rows);
    for row in of_h.chain(z.a.chunks_exact_mut(z.n)) {
        let row = &mut row[k..k + v.len()];
        let sum = row.iter().zip(v).fold(T::ZERO, |sum, (x, v)| sum + *x * *v);
        for (x, v) in row.iter_mut().zip(v) {
            *x -= tau * sum * v.conj();
        }
    }
}

/// Multiplies row `k` from column `from` on by `by`, and the first `rows` rows of column `k` by its conjugate, of `z` as well.
fn scale<T: Field>(h: &mut Matrix<'_, T>, z: &mut Matrix<'_, T>, k: usize, by: T, from: usize, rows: usize) {
    for j in from..h.n {
        h.set(k, j, h.at(k, j) * by);
    }
    for row in 0..rows {
        h.set(row, k, h.at(row, k) * by.conj());
    }
    for row in 0..z.n {
        z.set(row, k, z.at(row, k) * by.conj());
    }
}

/// Single shifts. LAPACK: `zlahqr`.
pub(super) fn complex_qr<T: Field>(h: &mut Matrix<'_, T>, z: &mut Matrix<'_, T>) -> bool {
    let n = h.n;
    let unit = |x: T| x.scale(T::Real::ONE / x.abs());
    let real = T::from_real;
    // Elements below the diagonal are real.
    for i in 1..n {
        let below = h.at(i, i - 1);
        if below.im() != T::Real::ZERO {
            scale(h, z, i, unit(below).conj(), i, n.min(i + 2));
            h.set(i, i - 1, real(below.abs()));
        }
    }
    let mut end = n;
    while end > 0 {
        let (i, mut l) = (end - 1, 0);
        let mut found = false;
        for sweep in 1..=iterations(n) {
            l = deflate(h, l, i);
            if l == i {
                found = true;
                break;
            }
            let shift = if sweep.is_multiple_of(20) {
                h.at(i, i) + real(T::Real::of(0.75) * h.at(i, i - 1).re().abs())
            } else if sweep.is_multiple_of(10) {
                h.at(l, l) + real(T::Real::of(0.75) * h.at(l + 1, l).re().abs())
            } else {
                wilkinson(h, i)
            };
            // Where two elements below the diagonal are small together.
            let start = |m: usize| {
                let (first, below) = (h.at(m, m) - shift, h.at(m + 1, m).re());
                let s = T::Real::ONE / (first.abs1() + below.abs());
                (first.scale(s), below * s)
            };
            let is_start = |m: &usize| {
                let (first, below) = start(*m);
                let around = h.at(*m, *m).abs1() + h.at(m + 1, m + 1).abs1();
                h.at(*m, m - 1).re().abs() * below.abs() <= T::Real::EPSILON * (first.abs1() * around)
            };
            let m = (l + 1..i).rev().find(is_start).unwrap_or(l);
            let (first, below) = start(m);
            let mut v = [first, real(below)];
            for k in m..i {
                if k > m {
                    v = [h.at(k, k - 1), h.at(k + 1, k - 1)];
                }
                let (beta, tau) = reflection(&mut v);
                if k > m {
                    h.set(k, k - 1, real(beta));
                    h.set(k + 1, k - 1, T::ZERO);
                }
                reflect(h, z, tau, &v, k, i);
                if k == m && m > l {
                    // The step began below row l: what became complex is made real again.
                    let turn = unit(T::ONE - tau);
                    h.set(m + 1, m, h.at(m + 1, m) * turn.conj());
                    if m + 2 <= i {
                        h.set(m + 2, m + 1, h.at(m + 2, m + 1) * turn);
                    }
                    for j in (m..=i).filter(|j| *j != m + 1) {
                        scale(h, z, j, turn, j + 1, j);
                    }
                }
            }
            let below = h.at(i, i - 1);
            if below.im() != T::Real::ZERO {
                scale(h, z, i, unit(below).conj(), i + 1, i);
                h.set(i, i - 1, real(below.abs()));
            }
        }
        if !found {
            return false;
        }
        end = i;
    }
    true
}

/// The eigenvalue of the last two rows' block that is nearer to its last element.
fn wilkinson<T: Field>(h: &Matrix<'_, T>, i: usize) -> T {
    let t = h.at(i, i);
    let u = square_root(h.at(i - 1, i)) * square_root(h.at(i, i - 1));
    if u.abs1() == T::Real::ZERO {
        return t;
    }
    let x = (h.at(i - 1, i - 1) - t).scale(T::Real::of(0.5));
    let s = u.abs1().larger(x.abs1());
    let [xs, us] = [x, u].map(|x| x.scale(T::Real::ONE / s));
    let mut y = square_root(xs * xs + us * us).scale(s);
    if x.re() * y.re() + x.im() * y.im() < T::Real::ZERO {
        y = -y;
    }
    t - u * (u / (x + y))
}

/// The principal square root of a complex number.
fn square_root<T: Field>(x: T) -> T {
    let (half, size) = (T::Real::of(0.5), x.abs());
    if size == T::Real::ZERO {
        return T::ZERO;
    }
    let larger = ((size + x.re().abs()) * half).root();
    let smaller = x.im().abs() * half / larger;
    match x.re() >= T::Real::ZERO {
        true => T::new(larger, smaller.signed(x.im())),
        false => T::new(smaller, larger.signed(x.im())),
    }
}

/// Double shifts. LAPACK: `dlahqr`.
pub(super) fn real_qr<R: Real>(h: &mut Matrix<'_, R>, z: &mut Matrix<'_, R>) -> bool {
    let n = h.n;
    let mut end = n;
    while end > 0 {
        let (i, mut l) = (end - 1, 0);
        let mut found = false;
        for sweep in 1..=iterations(n) {
            l = deflate(h, l, i);
            if l + 1 >= i {
                found = true;
                break;
            }
            let (m, mut v) = double_shift(h, sweep, l, i);
            for k in m..i {
                let rows = (i - k + 1).min(3);
                if k > m {
                    (0..rows).for_each(|j| v[j] = h.at(k + j, k - 1));
                }
                let v = &mut v[..rows];
                let (beta, tau) = reflection(v);
                if k > m {
                    h.set(k, k - 1, beta);
                    (1..rows).for_each(|j| h.set(k + j, k - 1, R::ZERO));
                } else if m > l {
                    // Rather than -h, in case what is left of it underflows.
                    h.set(k, k - 1, h.at(k, k - 1) * (R::ONE - tau));
                }
                reflect(h, z, tau, v, k, i);
            }
        }
        if !found {
            return false;
        }
        if l + 1 == i {
            let (c, s) = standardize(h, l);
            for j in i + 1..n {
                let (x, y) = (h.at(l, j), h.at(i, j));
                h.set(l, j, c * x + s * y);
                h.set(i, j, c * y - s * x);
            }
            let of_h = h.a.chunks_exact_mut(n).take(l);
            for row in of_h.chain(z.a.chunks_exact_mut(n)) {
                (row[l], row[i]) = (c * row[l] + s * row[i], c * row[i] - s * row[l]);
            }
        }
        end = l;
    }
    true
}

/// Where a step begins, and the first column of the shifted matrices' product.
fn double_shift<R: Real>(h: &Matrix<'_, R>, sweep: usize, l: usize, i: usize) -> (usize, [R; 3]) {
    let of = R::of;
    let exceptional = |s: R, at: R| {
        let diagonal = of(0.75) * s + at;
        [diagonal, of(-0.4375) * s, s, diagonal]
    };
    let [h11, h12, h21, h22] = if sweep.is_multiple_of(20) {
        exceptional(h.at(i, i - 1).abs() + h.at(i - 1, i - 2).abs(), h.at(i, i))
    } else if sweep.is_multiple_of(10) {
        exceptional(h.at(l + 1, l).abs() + h.at(l + 2, l + 1).abs(), h.at(l, l))
    } else {
        [h.at(i - 1, i - 1), h.at(i - 1, i), h.at(i, i - 1), h.at(i, i)]
    };
    let s = h11.abs() + h12.abs() + h21.abs() + h22.abs();
    // The shifts: two real numbers, or a pair re ± im.
    let (mut first, mut second, mut im) = (R::ZERO, R::ZERO, R::ZERO);
    if s != R::ZERO {
        let [h11, h12, h21, h22] = [h11 / s, h12 / s, h21 / s, h22 / s];
        let mean = (h11 + h22) * of(0.5);
        let det = (h11 - mean) * (h22 - mean) - h12 * h21;
        let root = det.abs().root();
        if det >= R::ZERO {
            (first, second, im) = (mean * s, mean * s, root * s);
        } else {
            let (x, y) = (mean + root, mean - root);
            let nearer = if (x - h22).abs() <= (y - h22).abs() { x } else { y };
            (first, second) = (nearer * s, nearer * s);
        }
    }
    let column = |m: usize| {
        let (here, below) = (h.at(m, m), h.at(m + 1, m));
        let s = (here - second).abs() + im.abs() + below.abs();
        let below = below / s;
        let v = [
            below * h.at(m, m + 1) + (here - first) * ((here - second) / s) + im * (im / s),
            below * (here + h.at(m + 1, m + 1) - first - second),
            below * h.at(m + 2, m + 1),
        ];
        let s = v[0].abs() + v[1].abs() + v[2].abs();
        v.map(|x| x / s)
    };
    let is_start = |m: &usize| {
        let v = column(*m);
        let around = h.at(m - 1, m - 1).abs() + h.at(*m, *m).abs() + h.at(m + 1, m + 1).abs();
        h.at(*m, m - 1).abs() * (v[1].abs() + v[2].abs()) <= R::EPSILON * v[0].abs() * around
    };
    let m = (l + 1..i - 1).rev().find(is_start).unwrap_or(l);
    (m, column(m))
}

/// Makes a block of two rows triangular, or its diagonal two equal elements with others of different signs beside it: gives the
/// rotation's cosine and sine. LAPACK: `dlanv2`.
fn standardize<R: Real>(h: &mut Matrix<'_, R>, l: usize) -> (R, R) {
    let i = l + 1;
    let (zero, one, half) = (R::ZERO, R::ONE, R::of(0.5));
    let sign = |x: R| one.signed(x);
    let [mut a, mut b, mut c, mut d] = [h.at(l, l), h.at(l, i), h.at(i, l), h.at(i, i)];
    let (mut cs, mut sn) = (one, zero);
    if c == zero {
    } else if b == zero {
        (cs, sn) = (zero, one);
        (a, b, c, d) = (d, -c, zero, a);
    } else if a - d != zero || sign(b) == sign(c) {
        let difference = a - d;
        let p = half * difference;
        let (most, least) = (b.abs().larger(c.abs()), b.abs().smaller(c.abs()) * sign(b) * sign(c));
        let size = p.abs().larger(most);
        let z = (p / size) * p + (most / size) * least;
        if z >= R::of(4.0) * R::EPSILON {
            // Two real eigenvalues.
            let z = p + (size.root() * z.root()).signed(p);
            a = d + z;
            d -= (most / z) * least;
            let tau = c.hypotenuse(z);
            (cs, sn) = (z / tau, c / tau);
            (b, c) = (b - c, zero);
        } else {
            let sigma = b + c;
            let tau = sigma.hypotenuse(difference);
            cs = (half * (one + sigma.abs() / tau)).root();
            sn = -(p / (tau * cs)) * sign(sigma);
            let [aa, bb, cc, dd] = [a * cs + b * sn, b * cs - a * sn, c * cs + d * sn, d * cs - c * sn];
            [a, b, c, d] = [aa * cs + cc * sn, bb * cs + dd * sn, cc * cs - aa * sn, dd * cs - bb * sn];
            let mean = half * (a + d);
            (a, d) = (mean, mean);
            if c != zero && b == zero {
                (b, c) = (-c, zero);
                (cs, sn) = (-sn, cs);
            } else if c != zero && sign(b) == sign(c) {
                // Two real eigenvalues that are nearly one.
                let (sab, sac) = (b.abs().root(), c.abs().root());
                let p = (sab * sac).signed(c);
                let tau = one / (b + c).abs().root();
                (a, d) = (mean + p, mean - p);
                (b, c) = (b - c, zero);
                let (cs1, sn1) = (sab * tau, sac * tau);
                (cs, sn) = (cs * cs1 - sn * sn1, cs * sn1 + sn * cs1);
            }
        }
    }
    for (row, column, x) in [(l, l, a), (l, i, b), (i, l, c), (i, i, d)] {
        h.set(row, column, x);
    }
    (cs, sn)
}
