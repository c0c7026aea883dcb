//! What iterates: eigenvalues and singular values, by the crate `faer`, on the calling thread alone. LAPACK: `heevd`, `gesdd`, `geev`.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{self, ComputeEigenvectors, EvdParams, SelfAdjointEvdParams};
use faer::linalg::svd::{self, ComputeSvdVectors, SvdParams};
use faer::traits::ComplexField;
use faer::{Mat, MatMut, MatRef, Par, Spec};
use num_complex::Complex;

use super::field::{Field, Real};
use super::{parts, parts_mut, sides};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::pjrt::{Kernel, KernelCall};

/// Hermitian `a[..,n,n]`, of which the `lower` triangle is read, or the upper one -> the vectors `[..,n,n]` as columns, and the
/// eigenvalues `[..,n]`, which are real, in ascending order.
pub(in crate::lax::linalg) static HEEVD: Kernel =
    Kernel { name: "heevd", run: |call| dispatch::<Heevd>(call) };
/// `a[..,m,n]` -> the singular values `[..,k]` in descending order, `k = min(m, n)`; and, with `vectors`, those on the left `[..,m,k]`
/// as columns and on the right `[..,k,n]` as rows, conjugated; `full`: `[..,m,m]` and `[..,n,n]`.
pub(in crate::lax::linalg) static GESDD: Kernel =
    Kernel { name: "gesdd", run: |call| dispatch::<Gesdd>(call) };
/// `a[..,n,n]` -> the eigenvalues `[..,n]`; and, with `left` and `right`, their vectors `[..,n,n]` as columns. All are complex.
pub(in crate::lax::linalg) static GEEV: Kernel = Kernel { name: "geev", run: |call| dispatch::<Geev>(call) };

/// A number of ours that is one of faer's.
trait Number: Field + ComplexField {
    /// What its eigenvalues are.
    type Complex: Field<Real = RealOf<Self>>;
    /// All eigenvalues, and vectors on the left and on the right; `None` if they are not found.
    fn eigen(a: MatRef<'_, Self>, vectors: bool) -> Option<Eigen<Self::Complex>>;
}

type RealOf<T> = <T as Field>::Real;

struct Eigen<C> {
    values: Vec<C>,
    left: Vec<C>,
    right: Vec<C>,
}

trait Decomposition {
    fn run<T: Number>(call: &mut KernelCall<'_>) -> Result<()>;
}

fn dispatch<D: Decomposition>(call: &mut KernelCall<'_>) -> Result<()> {
    match call.dtype()? {
        DType::F32 => D::run::<f32>(call),
        DType::F64 => D::run::<f64>(call),
        DType::C64 => D::run::<Complex<f32>>(call),
        DType::C128 => D::run::<Complex<f64>>(call),
        dtype => bail!(Internal, "a kernel for {dtype}"),
    }
}

struct Heevd;
struct Gesdd;
struct Geev;

impl Decomposition for Heevd {
    fn run<T: Number>(call: &mut KernelCall<'_>) -> Result<()> {
        let [_, n] = sides(call, 0);
        let lower = call.flag("lower");
        let (a, v, w) = (call.operand::<T>(0)?, call.result::<T>(0)?, call.result::<RealOf<T>>(1)?);
        for ((a, v), w) in parts(a, n * n).zip(parts_mut(v, n * n)).zip(parts_mut(w, n)) {
            let a = MatRef::from_row_major_slice(a, n, n);
            let mut a = if lower { a.to_owned() } else { a.adjoint().to_owned() };
            for i in 0..n {
                a[(i, i)] = T::from_real(Field::re(a[(i, i)]));
            }
            if !heevd::<T>(a.as_ref(), v, w) {
                v.fill(T::nan());
                w.fill(RealOf::<T>::NAN);
            }
        }
        Ok(())
    }
}

/// Reads the lower triangle.
fn heevd<T: Number>(a: MatRef<'_, T>, v: &mut [T], w: &mut [RealOf<T>]) -> bool {
    let n = a.nrows();
    if n == 1 {
        (v[0], w[0]) = (<T as Field>::ONE, Field::re(a[(0, 0)]));
        return true;
    }
    if (0..n).any(|j| (j..n).any(|i| !Field::is_finite(a[(i, j)]))) {
        return false;
    }
    let params: Spec<SelfAdjointEvdParams, T> = Spec::default();
    let scratch = evd::self_adjoint_evd_scratch::<T>(n, ComputeEigenvectors::Yes, Par::Seq, params);
    let mut values = vec![<T as Field>::ZERO; n];
    let diagonal = DiagMut::from_slice_mut(&mut values);
    let mut memory = MemBuffer::new(scratch);
    let mut vectors = Mat::<T>::zeros(n, n);
    let stack = MemStack::new(&mut memory);
    if evd::self_adjoint_evd(a, diagonal, Some(vectors.as_mut()), Par::Seq, stack, params).is_err() {
        return false;
    }
    MatMut::from_row_major_slice_mut(v, n, n).copy_from(&vectors);
    for (w, x) in w.iter_mut().zip(&values) {
        *w = Field::re(*x);
    }
    true
}

impl Decomposition for Gesdd {
    fn run<T: Number>(call: &mut KernelCall<'_>) -> Result<()> {
        let [m, n] = sides(call, 0);
        let k = m.min(n);
        let (vectors, full) = (call.flag("vectors"), call.flag("full"));
        let (a, s) = (call.operand::<T>(0)?, call.result::<RealOf<T>>(0)?);
        let (u, vt) = if vectors { (call.result::<T>(1)?, call.result::<T>(2)?) } else { Default::default() };
        let [left, right] = if full { [m, n] } else { [k, k] };
        let (mut u, mut vt) = (parts_mut(u, m * left), parts_mut(vt, right * n));
        for (a, s) in parts(a, m * n).zip(parts_mut(s, k)) {
            let a = MatRef::from_row_major_slice(a, m, n);
            let each = u.next().zip(vt.next());
            let (u, vt) = each.unwrap_or_default();
            if !gesdd::<T>(a, s, vectors.then_some((&mut *u, &mut *vt)), [left, right]) {
                s.fill(RealOf::<T>::NAN);
                u.fill(T::nan());
                vt.fill(T::nan());
            }
        }
        Ok(())
    }
}

type Sides<'a, T> = Option<(&'a mut [T], &'a mut [T])>;

fn gesdd<T: Number>(
    a: MatRef<'_, T>,
    s: &mut [RealOf<T>],
    vectors: Sides<'_, T>,
    [left, right]: [usize; 2],
) -> bool {
    let [m, n] = [a.nrows(), a.ncols()];
    if (0..n).any(|j| (0..m).any(|i| !Field::is_finite(a[(i, j)]))) {
        return false;
    }
    let params: Spec<SvdParams, T> = Spec::default();
    let wanted = match &vectors {
        None => ComputeSvdVectors::No,
        Some(_) if left == m && right == n => ComputeSvdVectors::Full,
        Some(_) => ComputeSvdVectors::Thin,
    };
    let mut memory = MemBuffer::new(svd::svd_scratch::<T>(m, n, wanted, wanted, Par::Seq, params));
    let mut values = vec![<T as Field>::ZERO; m.min(n)];
    let (mut u, mut v) = (Mat::<T>::zeros(m, left), Mat::<T>::zeros(n, right));
    let [to_u, to_v] = [&mut u, &mut v].map(|x| vectors.is_some().then(|| x.as_mut()));
    let stack = MemStack::new(&mut memory);
    // Column-major, as faer's matrices are.
    let a = a.to_owned();
    let diagonal = DiagMut::from_slice_mut(&mut values);
    if svd::svd(a.as_ref(), diagonal, to_u, to_v, Par::Seq, stack, params).is_err() {
        return false;
    }
    for (s, x) in s.iter_mut().zip(&values) {
        *s = Field::re(*x);
    }
    if let Some((to_u, to_vt)) = vectors {
        MatMut::from_row_major_slice_mut(to_u, m, left).copy_from(&u);
        MatMut::from_row_major_slice_mut(to_vt, right, n).copy_from(v.adjoint());
    }
    true
}

impl Decomposition for Geev {
    fn run<T: Number>(call: &mut KernelCall<'_>) -> Result<()> {
        let [_, n] = sides(call, 0);
        let (left, right) = (call.flag("left"), call.flag("right"));
        let (a, w) = (call.operand::<T>(0)?, call.result::<T::Complex>(0)?);
        let vl = if left { call.result::<T::Complex>(1)? } else { Default::default() };
        let vr = if right { call.result::<T::Complex>(1 + usize::from(left))? } else { Default::default() };
        let (mut vl, mut vr) = (parts_mut(vl, n * n), parts_mut(vr, n * n));
        for (a, w) in parts(a, n * n).zip(parts_mut(w, n)) {
            let (vl, vr) = (vl.next().unwrap_or_default(), vr.next().unwrap_or_default());
            let a = MatRef::from_row_major_slice(a, n, n).to_owned();
            match T::eigen(a.as_ref(), left || right) {
                Some(eigen) => {
                    w.copy_from_slice(&eigen.values);
                    for (to, from) in [(vl, eigen.left), (vr, eigen.right)] {
                        if !to.is_empty() {
                            to.copy_from_slice(&from);
                            normalize(to, n);
                        }
                    }
                }
                None => {
                    let nan = T::Complex::nan();
                    [w, vl, vr].into_iter().for_each(|x| x.fill(nan));
                }
            }
        }
        Ok(())
    }
}

/// Makes columns of norm 1, with a real element where the largest is, as LAPACK does.
fn normalize<C: Field>(v: &mut [C], n: usize) {
    for j in 0..n {
        let column: Vec<C> = (0..n).map(|i| v[i * n + j]).collect();
        let by = <C::Real as Field>::ONE / super::reflections::norm(column.iter().copied());
        let mut largest = 0;
        for i in 0..n {
            if column[i].scale(by).abs2() > column[largest].scale(by).abs2() {
                largest = i;
            }
        }
        // Real vectors stay as they are.
        let x = column[largest];
        let turn = if x.im() == <C::Real as Field>::ZERO {
            C::ONE
        } else {
            x.conj().scale(<C::Real as Field>::ONE / x.abs())
        };
        for (i, x) in column.iter().enumerate() {
            let x = (*x * turn).scale(by);
            v[i * n + j] = if i == largest { C::from_real(x.re()) } else { x };
        }
    }
}

macro_rules! numbers {
    ($($t:ident)*) => {$(
        impl Number for $t {
            type Complex = Complex<$t>;
            fn eigen(a: MatRef<'_, $t>, vectors: bool) -> Option<Eigen<Complex<$t>>> {
                let n = a.nrows();
                let params: Spec<EvdParams, $t> = Spec::default();
                let wanted = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
                let mut memory = MemBuffer::new(evd::evd_scratch::<$t>(n, wanted, wanted, Par::Seq, params));
                let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
                let [mut left, mut right] = [(); 2].map(|()| Mat::<$t>::zeros(n, n));
                evd::evd_real(
                    a,
                    DiagMut::from_slice_mut(&mut re),
                    DiagMut::from_slice_mut(&mut im),
                    vectors.then(|| left.as_mut()),
                    vectors.then(|| right.as_mut()),
                    Par::Seq,
                    MemStack::new(&mut memory),
                    params,
                )
                .ok()?;
                let values: Vec<_> = re.iter().zip(&im).map(|(re, im)| Complex::new(*re, *im)).collect();
                // A pair's vectors are two columns, the real part and the imaginary one.
                let unpacked = |x: &Mat<$t>| {
                    let mut out = vec![Complex::new(0.0, 0.0); n * n];
                    let mut j = 0;
                    while j < n {
                        let pair = im[j] != 0.0 && j + 1 < n;
                        for i in 0..n {
                            out[i * n + j].re = x[(i, j)];
                            if pair {
                                out[i * n + j].im = x[(i, j + 1)];
                                out[i * n + j + 1] = out[i * n + j].conj();
                            }
                        }
                        j += 1 + usize::from(pair);
                    }
                    out
                };
                Some(Eigen { left: unpacked(&left), right: unpacked(&right), values })
            }
        }
        impl Number for Complex<$t> {
            type Complex = Self;
            fn eigen(a: MatRef<'_, Self>, vectors: bool) -> Option<Eigen<Self>> {
                let n = a.nrows();
                let params: Spec<EvdParams, Self> = Spec::default();
                let wanted = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
                let mut memory = MemBuffer::new(evd::evd_scratch::<Self>(n, wanted, wanted, Par::Seq, params));
                let mut values = vec![Complex::new(0.0, 0.0); n];
                let [mut left, mut right] = [(); 2].map(|()| Mat::<Self>::zeros(n, n));
                evd::evd_cplx(
                    a,
                    DiagMut::from_slice_mut(&mut values),
                    vectors.then(|| left.as_mut()),
                    vectors.then(|| right.as_mut()),
                    Par::Seq,
                    MemStack::new(&mut memory),
                    params,
                )
                .ok()?;
                let rows = |x: &Mat<Self>| (0..n * n).map(|i| x[(i / n, i % n)]).collect();
                Some(Eigen { left: rows(&left), right: rows(&right), values })
            }
        }
    )*};
}
numbers!(f32 f64);
