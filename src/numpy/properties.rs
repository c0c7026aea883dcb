//! What arrays are. JAX: `numpy/lax_numpy.py`.

use crate::arguments::Axes;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::lax;
use crate::lax::arguments::axes_of;
use crate::numpy::imag;
use crate::numpy::util::constant;

/// Which numbers have an imaginary part that is not zero?
///
/// ```
/// use num_complex::Complex;
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([Complex::new(1.0f32, 0.0), Complex::new(0.0, 1.0)]);
/// assert_eq!(jnp::iscomplex(&x).to_vec::<bool>()?, [false, true]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn iscomplex(x: impl Into<Array>) -> Array {
    jitted("iscomplex", (), [&x.into()], |[x]| {
        let part = imag(x);
        lax::ne(&part, &constant(&part, 0.0))
    })
}

/// Which numbers have no imaginary part, or one that is zero?
#[track_caller]
pub fn isreal(x: impl Into<Array>) -> Array {
    jitted("isreal", (), [&x.into()], |[x]| {
        let part = imag(x);
        lax::eq(&part, &constant(&part, 0.0))
    })
}

/// Has the array a complex dtype?
#[track_caller]
pub fn iscomplexobj(x: impl Into<Array>) -> bool {
    x.into().dtype().is_complex()
}

/// Has the array no complex dtype?
#[track_caller]
pub fn isrealobj(x: impl Into<Array>) -> bool {
    !iscomplexobj(x)
}

/// Is it a number, or an array without axes?
#[track_caller]
pub fn isscalar(element: impl Into<Array>) -> bool {
    element.into().ndim() == 0
}

/// The number of axes.
#[track_caller]
pub fn ndim(x: impl Into<Array>) -> usize {
    x.into().ndim()
}

/// The sizes of all axes.
#[track_caller]
pub fn shape(x: impl Into<Array>) -> Vec<usize> {
    x.into().shape().to_vec()
}

/// The number of elements along some axes; `..` for all.
///
/// # Errors
/// Axes out of range or repeated.
/// ```
/// use raxla::numpy as jnp;
///
/// let x = jnp::zeros([2, 3, 4]);
/// assert_eq!((jnp::size(&x, ..), jnp::size(&x, (0, -1))), (24, 8));
/// ```
#[track_caller]
pub fn size(x: impl Into<Array>, axes: impl Into<Axes>) -> usize {
    let x = x.into();
    axes_of("size", &axes.into(), &x).iter().map(|axis| x.shape()[*axis]).product()
}
