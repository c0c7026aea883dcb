//! Operations that keep their operand's shape, by their source: each is run, and printed with a program that fails.

use raxla::lax::{self, CumulativeOptions};
use raxla::nn;
use raxla::numpy as jnp;
use raxla::prelude::*;

use crate::operations::{above, bounded};

/// A function of arrays of one shape. Operands come from anywhere, so each takes its own to where it is smooth and moderate.
#[derive(Clone, Copy)]
pub struct Elementwise {
    pub source: &'static str,
    pub arity: usize,
    /// Its derivative is zero everywhere.
    pub flat: bool,
    pub f: fn(&[Array]) -> Array,
}

/// A function along an axis.
#[derive(Clone, Copy)]
pub struct Along {
    pub source: &'static str,
    pub f: fn(&Array, usize) -> Array,
}

/// A function of a symmetric, positive definite matrix, which gives such a size.
#[derive(Clone, Copy)]
pub struct OfMatrix {
    pub source: &'static str,
    pub f: fn(&Array) -> Array,
}

macro_rules! debug_by_source {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.source)
            }
        }
    )*};
}
debug_by_source!(Elementwise Along OfMatrix);

macro_rules! elementwise {
    ($flat:literal: $(|$first:ident $(, $x:ident)*| $body:expr;)*) => {
        &[$(Elementwise {
            source: concat!("|", stringify!($first), ": &Array", $(", ", stringify!($x), ": &Array",)* "| ", stringify!($body)),
            arity: { const REST: &[&str] = &[$(stringify!($x)),*]; 1 + REST.len() },
            flat: $flat,
            f: |args| {
                let mut args = args.iter();
                let $first = args.next().unwrap();
                $(let $x = args.next().unwrap();)*
                $body
            },
        }),*]
    };
}

pub const SMOOTH: &[Elementwise] = elementwise! { false:
    |x| lax::abs(x);
    |x| lax::acos(&bounded(x));
    |x| lax::acosh(&above(x, 1.5));
    |x| lax::asin(&bounded(x));
    |x| lax::asinh(x);
    |x| lax::atan(x);
    |x| lax::atanh(&bounded(x));
    |x| lax::bessel_i0e(x);
    |x| lax::bessel_i1e(x);
    |x| lax::cbrt(&above(x, 1.0));
    |x| lax::cosh(&bounded(x));
    |x| lax::digamma(&above(x, 1.0));
    |x| lax::erf(x);
    |x| lax::erfc(x);
    |x| lax::erf_inv(&bounded(x));
    |x| lax::exp2(&bounded(x));
    |x| lax::expm1(&bounded(x));
    |x| lax::integer_pow(&bounded(x), 3);
    |x| lax::integer_pow(&above(x, 1.0), -2);
    |x| lax::lgamma(&above(x, 0.5));
    |x| lax::log1p(&lax::square(x));
    |x| lax::rsqrt(&above(x, 1.0));
    |x| lax::reciprocal(&above(x, 1.0));
    |x| lax::sinh(&bounded(x));
    |x| lax::tan(&bounded(x));
    |x| lax::reduce_precision(x, 11, 52);
    |x| lax::optimization_barrier(x);
    |x| lax::real(&lax::exp(&lax::complex(&bounded(x), x)));
    |x| lax::imag(&lax::conj(&lax::sin(&lax::complex(x, &bounded(x)))));
    |x| lax::abs(&lax::complex(x, &above(x, 0.5)));
    |x| nn::gelu(x);
    |x| nn::softplus(x);
    |x| jnp::sinc(x);
    |x, y| lax::atan2(x, &above(y, 1.0));
    |x, y| lax::pow(&above(x, 0.5), &bounded(y));
    |x, y| lax::rem(x, &above(y, 1.5));
    |x, y| lax::min(x, y);
    |x, y| jnp::logaddexp(x, y);
    |x, y| jnp::logaddexp2(x, y);
    |x, y| jnp::hypot(above(x, 1.0), y);
    |x, y| lax::real(&(lax::complex(x, y) * lax::complex(y, x)));
    |x, y| lax::imag(&(lax::complex(x, y) / lax::complex(&above(y, 1.0), x)));
    |x, y| jnp::where_(lax::is_finite(&(x / y)), x, y);
    |low, x, high| lax::clamp(&(lax::min(low, high) - 0.25), x, &(lax::max(low, high) + 0.25));
    |x, y, z| jnp::where_(lax::bitwise_and(&lax::ge(x, y), &lax::ne(x, z)), y, z);
};

pub const FLAT: &[Elementwise] = elementwise! { true:
    |x| lax::sign(x);
    |x| lax::floor(x);
    |x| lax::ceil(x);
    |x| lax::round(x);
    |x, y| lax::convert_element_type(&lax::bitwise_xor(&lax::lt(x, y), &lax::le(y, x)), DType::F64);
};

macro_rules! along {
    ($(|$x:ident, $axis:ident| $body:expr;)*) => {
        &[$(Along {
            source: concat!("|", stringify!($x), ": &Array, ", stringify!($axis), ": usize| ", stringify!($body)),
            f: |$x, $axis| $body,
        }),*]
    };
}

pub const ALONG: &[Along] = along! {
    |x, axis| lax::cumprod(x, axis);
    |x, axis| lax::cummax(x, axis);
    |x, axis| lax::cummin_with(x, axis, CumulativeOptions::new().reverse(true));
    |x, axis| lax::cumlogsumexp(x, axis);
    |x, axis| x * nn::softmax(x, axis);
    |x, axis| jnp::roll(x, 1, axis);
    |x, axis| lax::concatenate(lax::split(x, [1, x.shape()[axis] - 1], axis), axis);
    |x, axis| lax::real(&jnp::fft::ifft(jnp::fft::fft(x, axis) * 2.0, axis));
    |x, axis| jnp::take_along_axis(x, jnp::argsort(x, axis), axis);
};

macro_rules! of_matrix {
    ($(|$m:ident| $body:expr;)*) => {
        &[$(OfMatrix { source: concat!("|", stringify!($m), ": &Array| ", stringify!($body)), f: |$m| $body }),*]
    };
}

pub const OF_MATRIX: &[OfMatrix] = of_matrix! {
    |m| lax::linalg::cholesky(m);
    |m| lax::linalg::lu(m).0;
    |m| lax::linalg::qr(m).0;
    |m| lax::linalg::triangular_solve(m, &lax::sin(m));
    |m| jnp::linalg::inv(m);
    |m| jnp::linalg::solve(m, lax::sin(m));
    |m| jnp::linalg::det(m) * lax::sin(m);
    |m| jnp::diag(jnp::linalg::eigvalsh(m));
    |m| jnp::tril(m);
    |m| jnp::linalg::matrix_power(m / jnp::trace(m), 3);
};
