//! Rows for `jax.numpy`.

use raxla::numpy::{self as jnp, Axes, PadMode, keepdims};

use crate::case::{Params, Row};
use crate::{binary_rows, reduce_rows, row, unary_rows};

pub const UFUNC: &[&[Row]] = &[
    unary_rows!("numpy." jnp: exp exp2 expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh
        arcsinh arccosh arctanh deg2rad rad2deg sinc abs fabs negative positive sign square reciprocal floor ceil trunc rint
        isnan isinf isfinite signbit conjugate real imag angle logical_not nan_to_num isposinf isneginf spacing bitwise_count
        bitwise_not),
    binary_rows!("numpy." jnp: add subtract multiply true_divide floor_divide remainder fmod float_power maximum minimum fmax
        fmin hypot logaddexp logaddexp2 arctan2 copysign heaviside equal not_equal less less_equal greater greater_equal
        logical_and logical_or logical_xor nextafter bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm ldexp),
    &[
        Row { name: "numpy.divmod", call: |x, _| pair(jnp::divmod(&x[0], &x[1])) },
        Row { name: "numpy.modf", call: |x, _| pair(jnp::modf(&x[0])) },
        Row { name: "numpy.frexp", call: |x, _| pair(jnp::frexp(&x[0])) },
        row!("numpy.power", |x, p| match p.has("static") {
            true => jnp::power(&x[0], p.int("static")),
            false => jnp::power(&x[0], &x[1]),
        }),
        row!("numpy.round", |x, p| jnp::round(&x[0], p.int("decimals") as i32)),
        row!("numpy.clip", |x, _| jnp::clip(&x[0], &x[1], &x[2])),
        row!("numpy.where", |x, _| jnp::where_(&x[0], &x[1], &x[2])),
        row!("numpy.select", |x, _| jnp::select(&x[..2], &x[2..4], &x[4])),
        row!("numpy.allclose", |x, _| jnp::allclose(&x[0], &x[1])),
        row!("numpy.array_equal", |x, _| jnp::array_equal(&x[0], &x[1])),
        row!("numpy.fix", |x, _| jnp::fix(&x[0])),
        row!("numpy.i0", |x, _| jnp::i0(&x[0])),
        row!("numpy.nan_to_num_with", |x, p| jnp::nan_to_num_with(
            &x[0],
            p.float("nan"),
            p.has("posinf").then(|| p.float("posinf")),
            p.has("neginf").then(|| p.float("neginf"))
        )),
        row!("numpy.isclose", |x, _| jnp::isclose(&x[0], &x[1], 1e-5, 1e-8, false)),
    ],
];

fn pair((a, b): (raxla::Array, raxla::Array)) -> Vec<raxla::Array> {
    vec![a, b]
}

/// `axis` and `keepdims` as raxla has them.
pub fn axes(p: &Params) -> Axes {
    let axes = match p.has("axis") {
        false => Axes::from(..),
        true => Axes::from(&p.ints("axis")[..]),
    };
    if p.bool("keepdims") { keepdims(axes) } else { axes }
}

pub const REDUCE: &[&[Row]] = &[
    reduce_rows!("numpy." jnp: sum mean var std prod nansum nanmean nanvar nanstd nanprod max min ptp nanmax nanmin argmax argmin
        all any count_nonzero cumsum cumprod nancumsum nancumprod nanargmax nanargmin logsumexp norm),
    &[
        row!("numpy.var_ddof", |x, p| jnp::var_ddof(&x[0], axes(p), p.float("ddof"))),
        row!("numpy.std_ddof", |x, p| jnp::std_ddof(&x[0], axes(p), p.float("ddof"))),
        row!("numpy.average", |x, p| jnp::average(&x[0], axes(p), x[1].clone())),
        row!("numpy.trapezoid", |x, p| jnp::trapezoid(&x[0], &x[1], p.int("axis"))),
    ],
];

fn number(p: &Params, name: &str) -> jnp::Number {
    match p.get(name).as_i64() {
        Some(i) => jnp::Number::Int(i),
        None => jnp::Number::Float(p.float(name)),
    }
}

fn sections(p: &Params) -> jnp::Sections {
    match p.get("sections").as_u64() {
        Some(n) => jnp::Sections::Equal(n as usize),
        None => jnp::Sections::At(p.ints("sections")),
    }
}

pub const SHAPE: &[&[Row]] = &[
    unary_rows!("numpy." jnp: ravel transpose atleast_1d atleast_2d atleast_3d),
    binary_rows!("numpy." jnp: matmul matvec vecmat array_equiv dot vdot inner outer kron cross),
    &[
        Row {
            name: "numpy.tril_indices",
            call: |_, p| pair(jnp::tril_indices(p.usize("n"), p.int("k"), p.size_or_none("m"))),
        },
        Row {
            name: "numpy.triu_indices",
            call: |_, p| pair(jnp::triu_indices(p.usize("n"), p.int("k"), p.size_or_none("m"))),
        },
        Row { name: "numpy.diag_indices", call: |_, p| jnp::diag_indices(p.usize("n"), p.usize("ndim")) },
        row!("numpy.broadcast_shapes", |_, p| crate::rows_lax::broadcast_shapes(p, jnp::broadcast_shapes)),
        row!("numpy.around", |x, p| jnp::around(&x[0], p.int("decimals") as i32)),
        row!("numpy.zeros", |_, p| jnp::zeros(&p.usizes("shape"), p.dtype_or_none("dtype"))),
        row!("numpy.ones", |_, p| jnp::ones(&p.usizes("shape"), p.dtype_or_none("dtype"))),
        row!("numpy.full", |x, p| jnp::full(&p.usizes("shape"), &x[0], p.dtype_or_none("dtype"))),
        row!("numpy.eye", |_, p| jnp::eye(
            p.usize("N"),
            p.size_or_none("M"),
            p.int("k"),
            p.dtype_or_none("dtype")
        )),
        row!("numpy.tri", |_, p| jnp::tri(
            p.usize("N"),
            p.size_or_none("M"),
            p.int("k"),
            p.dtype_or_none("dtype")
        )),
        row!("numpy.zeros_like", |x, p| jnp::zeros_like(&x[0], p.dtype_or_none("dtype"))),
        row!("numpy.ones_like", |x, p| jnp::ones_like(&x[0], p.dtype_or_none("dtype"))),
        row!("numpy.arange", |_, p| jnp::arange_step(
            number(p, "start"),
            number(p, "stop"),
            number(p, "step"),
            p.dtype_or_none("dtype")
        )),
        row!("numpy.linspace", |x, p| jnp::linspace(
            &x[0],
            &x[1],
            p.usize("num"),
            p.bool_or("endpoint", true)
        )),
        row!("numpy.logspace", |x, p| jnp::logspace(&x[0], &x[1], p.usize("num"), true, &x[2])),
        row!("numpy.geomspace", |x, p| jnp::geomspace(&x[0], &x[1], p.usize("num"))),
        row!("numpy.hanning", |_, p| jnp::hanning(p.usize("M"))),
        row!("numpy.hamming", |_, p| jnp::hamming(p.usize("M"))),
        row!("numpy.blackman", |_, p| jnp::blackman(p.usize("M"))),
        row!("numpy.bartlett", |_, p| jnp::bartlett(p.usize("M"))),
        row!("numpy.indices", |_, p| jnp::indices(&p.usizes("dimensions"), None)),
        row!("numpy.tril", |x, p| jnp::tril(&x[0], p.int("k"))),
        row!("numpy.triu", |x, p| jnp::triu(&x[0], p.int("k"))),
        row!("numpy.diag", |x, p| jnp::diag(&x[0], p.int("k"))),
        row!("numpy.trace", |x, p| jnp::trace(&x[0], p.int("offset"), 0, 1)),
        row!("numpy.diagonal", |x, p| jnp::diagonal(&x[0], p.int("offset"), p.int("axis1"), p.int("axis2"))),
        Row { name: "numpy.meshgrid", call: |x, p| jnp::meshgrid(x, p.str("indexing") == "xy") },
        row!("numpy.reshape", |x, p| jnp::reshape(&x[0], &p.ints("shape"))),
        row!("numpy.permute_dims", |x, p| jnp::permute_dims(&x[0], &p.ints("axes"))),
        row!("numpy.swapaxes", |x, p| jnp::swapaxes(&x[0], p.int("axis1"), p.int("axis2"))),
        row!("numpy.moveaxis", |x, p| jnp::moveaxis(&x[0], &p.ints("source"), &p.ints("destination"))),
        row!("numpy.expand_dims", |x, p| jnp::expand_dims(&x[0], axes(p))),
        row!("numpy.squeeze", |x, p| jnp::squeeze(&x[0], axes(p))),
        row!("numpy.broadcast_to", |x, p| jnp::broadcast_to(&x[0], &p.usizes("shape"))),
        Row { name: "numpy.broadcast_arrays", call: |x, _| jnp::broadcast_arrays(x) },
        row!("numpy.tile", |x, p| jnp::tile(&x[0], &p.usizes("reps"))),
        row!("numpy.repeat", |x, p| jnp::repeat(&x[0], p.usize("repeats"), axes(p))),
        row!("numpy.flip", |x, p| jnp::flip(&x[0], axes(p))),
        row!("numpy.roll", |x, p| jnp::roll(&x[0], p.int("shift"), axes(p))),
        row!("numpy.rot90", |x, p| jnp::rot90(&x[0], p.int("k"), (0, 1))),
        row!("numpy.pad", |x, p| {
            let widths: Vec<(usize, usize)> =
                p.lists("pad_width").iter().map(|w| (w[0] as usize, w[1] as usize)).collect();
            let mode = match p.str("mode") {
                "edge" => PadMode::Edge,
                "reflect" => PadMode::Reflect,
                "symmetric" => PadMode::Symmetric,
                "wrap" => PadMode::Wrap,
                _ => PadMode::from(0),
            };
            jnp::pad(&x[0], &widths, mode)
        }),
        row!("numpy.concatenate", |x, p| jnp::concatenate(x, p.int("axis"))),
        row!("numpy.stack", |x, p| jnp::stack(x, p.int("axis"))),
        row!("numpy.vstack", |x, _| jnp::vstack(x)),
        row!("numpy.hstack", |x, _| jnp::hstack(x)),
        row!("numpy.dstack", |x, _| jnp::dstack(x)),
        row!("numpy.column_stack", |x, _| jnp::column_stack(x)),
        Row { name: "numpy.split", call: |x, p| jnp::split(&x[0], sections(p), p.int("axis")) },
        Row { name: "numpy.array_split", call: |x, p| jnp::array_split(&x[0], sections(p), p.int("axis")) },
        Row { name: "numpy.hsplit", call: |x, p| jnp::hsplit(&x[0], sections(p)) },
        Row { name: "numpy.vsplit", call: |x, p| jnp::vsplit(&x[0], sections(p)) },
        row!("numpy.diagflat", |x, p| jnp::diagflat(&x[0], p.int("k"))),
        row!("numpy.ediff1d", |x, _| jnp::ediff1d(&x[0])),
        row!("numpy.matrix_transpose", |x, _| jnp::matrix_transpose(&x[0])),
        row!("numpy.multi_dot", |x, _| jnp::multi_dot(x)),
        row!("numpy.rollaxis", |x, p| jnp::rollaxis(&x[0], p.int("axis"), p.int("start"))),
        row!("numpy.diff", |x, p| jnp::diff(&x[0], p.usize("n"), p.int("axis"))),
        row!("numpy.append", |x, p| jnp::append(&x[0], &x[1], axes(p))),
        row!("numpy.astype", |x, p| jnp::astype(&x[0], p.dtype("dtype"))),
        row!("numpy.vecdot", |x, _| jnp::vecdot(&x[0], &x[1], -1)),
        row!("numpy.tensordot", |x, p| match p.get("axes").as_u64() {
            Some(n) => jnp::tensordot(&x[0], &x[1], n as usize),
            None => {
                let lists = p.lists("axes");
                jnp::tensordot(&x[0], &x[1], (lists[0].clone(), lists[1].clone()))
            }
        }),
        row!("numpy.einsum", |x, p| jnp::einsum(p.str("subscripts"), x)),
        row!("numpy.matrix_power", |x, p| jnp::matrix_power(&x[0], p.int("n") as u32)),
        row!("numpy.vander", |x, p| jnp::vander(&x[0], p.size_or_none("N"), p.bool("increasing"))),
    ],
];
