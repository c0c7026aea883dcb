//! Schur's form, real and complex. JAX: `_src/scipy/linalg.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::dtypes::finfo;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::linalg;
use crate::numpy::linalg::{eigvals, norm};
use crate::numpy::util::result_type_of;
use crate::numpy::{
    Colon, NewAxis, VectorizeOptions, abs, arange, conj, greater, greater_equal, less, logical_not, matmul,
    stack, vectorize_with, where_,
};

/// Which of Schur's forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchurOutput {
    /// As the matrix: of a real one real, with blocks of two rows for pairs of complex eigenvalues.
    #[default]
    Real,
    /// Complex and triangular.
    Complex,
}

options! {
    /// Options of [`schur_with`].
    pub struct SchurFormOptions {
        /// Which form.
        output: value SchurOutput = SchurOutput::Real,
    }
}

/// `a = z t zᴴ` for `a: f32[..,n,n]`: the upper triangular `t` and the unitary `z`. See [`lax::linalg::schur`].
///
/// # Errors
/// As [`lax::linalg::schur`].
#[track_caller]
pub fn schur(a: impl Into<Array>) -> (Array, Array) {
    schur_with(a, SchurFormOptions::new())
}

/// [`schur`] by options.
///
/// ```
/// use raxla::scipy::linalg::{SchurFormOptions, SchurOutput, schur_with};
/// use raxla::Array;
///
/// let turn = Array::from([[0.0f32, -1.0], [1.0, 0.0]]);
/// let (t, _) = schur_with(turn, SchurFormOptions::new().output(SchurOutput::Complex));
/// assert_eq!(t.index((1, 0)).abs().item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`schur`].
#[track_caller]
pub fn schur_with(a: impl Into<Array>, options: SchurFormOptions) -> (Array, Array) {
    let output = options.output;
    jitted("_schur", output, [&a.into()], |[a]| match output {
        SchurOutput::Complex => linalg::schur(&a.astype(to_complex(a.dtype()))),
        SchurOutput::Real => linalg::schur(a),
    })
}

/// The complex dtype that holds the numbers.
fn to_complex(dtype: DType) -> DType {
    match dtype {
        DType::F64 | DType::I64 | DType::U64 | DType::C128 => DType::C128,
        _ => DType::C64,
    }
}

/// The complex form of the real form that [`schur`] gives: `t`, `z: f32[..,n,n]` -> `c64[..,n,n]`, twice.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let a = Array::from([[1.0f32, -2.0], [3.0, 1.0]]);
/// let (t, z) = linalg::schur(&a);
/// let (t, z) = linalg::rsf2csf(t, z);
/// let again = z.matmul(t).matmul(z.t().conj());
/// assert!((again.real() - a).abs().max(..).item::<f32>()? < 1e-5);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `rsf2csf: the arguments must have one shape [..., n, n], got f32[2,3] and f32[2,2]`; on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn rsf2csf(t: impl Into<Array>, z: impl Into<Array>) -> (Array, Array) {
    jitted("rsf2csf", (), [&t.into(), &z.into()], |[t, z]| {
        let side = |x: &Array| match x.shape() {
            [.., m, n] if m == n => Some(*n),
            _ => None,
        };
        if side(t).is_none() || side(t) != side(z) {
            throw!(
                Shape,
                "rsf2csf: the arguments must have one shape [..., n, n], got {} and {}",
                t.aval(),
                z.aval()
            );
        }
        let signature = VectorizeOptions::new().signature("(n,n),(n,n)->(n,n),(n,n)");
        vectorize_with(|t: &Array, z: &Array| complex_form(t, z), signature)(t, z).or_throw()
    })
}

/// One matrix: each block of two rows is turned until the element below the diagonal is zero, from the last row up.
fn complex_form(t: &Array, z: &Array) -> (Array, Array) {
    jitted("_rsf2csf_2d", (), [t, z], |[t, z]| {
        let dtype = to_complex(result_type_of("rsf2csf", &[t, z]).0);
        let (t, z) = (t.astype(dtype), z.astype(dtype));
        let (n, eps) = (t.shape()[0] as i32, finfo(dtype).eps);
        if n == 1 {
            return (t, z);
        }
        let turn = |(m, t, z): (Array, Array, Array)| {
            let above = &m - 1;
            let corner = lax::dynamic_slice(&t, [&above, &above], [2, 2]);
            let mu = eigvals(corner) - t.index((&m, &m));
            let (first, below) = (mu.index(0), t.index((&m, &above)));
            let r = norm(stack([&first, &below], 0), ..).astype(dtype);
            let (c, s) = (&first / &r, &below / &r);
            let g = stack([stack([&conj(&c), &s], 0), stack([&-&s, &c], 0)], 0);
            let gh = conj(g.t());
            let place = arange(n);
            let t_rows = lax::dynamic_slice_in_dim(&t, &above, 2, 0);
            let here = greater_equal(&place, &above);
            let turned = matmul(&g, where_(&here, &t_rows, 0));
            let t_rows = where_(logical_not(&here), &t_rows, turned);
            let t = lax::dynamic_update_slice_in_dim(&t, &t_rows, &above, 0);
            let t_columns = lax::dynamic_slice_in_dim(&t, &above, 2, 1);
            let here = less(place.index((Colon, NewAxis)), &m + 1);
            let turned = matmul(where_(&here, &t_columns, 0), &gh);
            let t_columns = where_(logical_not(&here), &t_columns, turned);
            let t = lax::dynamic_update_slice_in_dim(&t, &t_columns, &above, 1);
            let z_columns = matmul(lax::dynamic_slice_in_dim(&z, &above, 2, 1), gh);
            (t, lax::dynamic_update_slice_in_dim(&z, &z_columns, &above, 1))
        };
        let step = |i: Array, (t, z): (Array, Array)| {
            let m = n - i;
            let above = &m - 1;
            let at = |i: &Array, j: &Array| abs(t.index((i, j)));
            let needed = greater(at(&m, &above), eps * (at(&above, &above) + at(&m, &m)));
            let as_they_are = |(_, t, z): (Array, Array, Array)| (t, z);
            let (t, z) = lax::cond(needed, turn, as_they_are, (m.clone(), t, z))?;
            Ok::<_, crate::Error>((t.at((&m, &above)).set(0.0), z))
        };
        lax::fori_loop(1, n, step, (t, z)).or_throw()
    })
}
