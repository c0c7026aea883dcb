//! Equations with three diagonals, and a rank-one update of Cholesky's factor. LAPACK: `gtsv`.

use super::field::{Field, Real};
use super::{Generic, kernel, parts, parts_mut, sides};
use crate::error::Result;
use crate::pjrt::{Kernel, KernelCall};

/// The diagonals below, on and above the main one, `[..,n]` each, and right-hand sides `[..,n,k]` -> the solutions `[..,n,k]`.
/// `perturb`: a pivot that is zero but for rounding is made a small one.
pub(in crate::lax::linalg) static GTSV: Kernel = kernel::<Gtsv>("gtsv");
/// An upper triangular `r[n,n]` and `w[n]` -> the factor of `rᵀ r + w wᵀ`.
pub(in crate::lax::linalg) static CHOLESKY_UPDATE: Kernel = kernel::<CholeskyUpdate>("cholesky_update");

struct Gtsv;
struct CholeskyUpdate;

impl Generic for Gtsv {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let [n, k] = sides(call, 3);
        let perturb = call.flag("perturb");
        let [dl, d, du] = [call.operand::<T>(0)?, call.operand::<T>(1)?, call.operand::<T>(2)?];
        let (b, x) = (call.operand::<T>(3)?, call.result::<T>(0)?);
        x.copy_from_slice(b);
        let diagonals = parts(dl, n).zip(parts(d, n)).zip(parts(du, n));
        for (((dl, d), du), x) in diagonals.zip(parts_mut(x, n * k)) {
            if !gtsv(dl, d, du, x, k, perturb) {
                x.fill(T::nan());
            }
        }
        Ok(())
    }
}

/// Gaussian elimination with exchanges of neighbouring rows. `false`: a pivot is zero.
fn gtsv<T: Field>(dl: &[T], d: &[T], du: &[T], x: &mut [T], k: usize, perturb: bool) -> bool {
    let n = d.len();
    // Below the diagonal at first, then the second one above it, which exchanges fill in.
    let (mut dl, mut d, mut du) = (dl[1..].to_vec(), d.to_vec(), du[..n - 1].to_vec());
    for i in 0..n - 1 {
        let (above, below) = x.split_at_mut((i + 1) * k);
        let (this, next) = (&mut above[i * k..], &mut below[..k]);
        if d[i].abs1() >= dl[i].abs1() {
            if dl[i] != T::ZERO {
                let factor = dl[i] / d[i];
                d[i + 1] -= factor * du[i];
                next.iter_mut().zip(this).for_each(|(y, x)| *y -= factor * *x);
            }
            dl[i] = T::ZERO;
        } else {
            let factor = d[i] / dl[i];
            d[i] = dl[i];
            let below = d[i + 1];
            d[i + 1] = du[i] - factor * below;
            du[i] = below;
            dl[i] = T::ZERO;
            if i + 2 < n {
                dl[i] = du[i + 1];
                du[i + 1] = -factor * dl[i];
            }
            this.swap_with_slice(next);
            next.iter_mut().zip(this).for_each(|(y, x)| *y -= factor * *x);
        }
    }
    if perturb {
        let all = d.iter().chain(&du).chain(&dl);
        let most = all.fold(T::Real::ZERO, |most, x| most.larger(x.abs()));
        let least = (T::Real::EPSILON * most).larger(T::Real::TINY);
        for d in &mut d {
            if d.abs() < least {
                *d = T::from_real(least.signed(d.re()));
            }
        }
    }
    if d.contains(&T::ZERO) {
        return false;
    }
    for i in (0..n).rev() {
        let (above, below) = x.split_at_mut((i + 1) * k);
        for (j, x) in above[i * k..].iter_mut().enumerate() {
            let mut sum = *x;
            if i + 1 < n {
                sum -= du[i] * below[j];
            }
            if i + 2 < n {
                sum -= dl[i] * below[k + j];
            }
            *x = sum / d[i];
        }
    }
    true
}

impl Generic for CholeskyUpdate {
    fn run<T: Field>(call: &mut KernelCall<'_>) -> Result<()> {
        let (r, w, out) = (call.operand::<T>(0)?, call.operand::<T>(1)?, call.result::<T>(0)?);
        out.copy_from_slice(r);
        let (n, mut w) = (w.len(), w.to_vec());
        for k in 0..n {
            // The rotation that makes w's element zero.
            let (x, y) = (out[k * n + k].re(), w[k].re());
            let (mut c, mut s) = (T::Real::ONE, T::Real::ZERO);
            if y != T::Real::ZERO {
                let most = x.abs().larger(y.abs());
                let (x, y) = (x / most, y / most);
                let by = T::Real::ONE / (x * x + y * y).root();
                (c, s) = (x * by, y * by);
            }
            for (r, w) in out[k * n..(k + 1) * n].iter_mut().zip(&mut w) {
                (*r, *w) = (r.scale(c) + w.scale(s), w.scale(c) - r.scale(s));
            }
        }
        Ok(())
    }
}
