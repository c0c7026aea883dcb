//! Rows for `jax.lax`: functions of shapes, arrays brought to the rank or the shape of others; for `jax.numpy.vectorize`.

use raxla::api::{VmapOptions, vmap_with};
use raxla::lax::{
    self, ConvShapeOptions, Padding, RandomAlgorithm, RngBitGeneratorOptions, WindowShapeOptions,
};
use raxla::numpy::{self as jnp, VectorizeOptions};
use raxla::{Array, Result, vmap};

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::pair;

/// Sizes as JAX's adapter gives them.
fn sizes(sizes: &[usize]) -> Array {
    Array::from(sizes.iter().map(|n| *n as i32).collect::<Vec<i32>>())
}

fn padding(p: &Params, name: &str) -> Padding {
    match p.str(name) {
        "VALID" => Padding::Valid,
        "SAME" => Padding::Same,
        _ => p.lists(name).iter().map(|pad| (pad[0], pad[1])).collect::<Vec<_>>().into(),
    }
}

fn names(p: &Params) -> (&str, &str, &str) {
    let names = p.strs("dimension_numbers");
    (names[0], names[1], names[2])
}

fn mapped(x: &Array, f: impl Fn(&Array) -> Array + Send + Sync) -> Result<Array> {
    vmap_with(f, VmapOptions::new().axis_name("i"))(x)
}

fn vectorized(x: &[Array], p: &Params) -> Vec<Array> {
    let mut options = VectorizeOptions::new().excluded(p.ints("excluded"));
    if p.has("signature") {
        options = options.signature(p.str("signature"));
    }
    let one = |f: fn(&Array, &Array) -> Array| {
        let f = move |x: &Array, y: &Array| f(x, y);
        vec![jnp::vectorize_with(f, options.clone())(&x[0], &x[1]).unwrap()]
    };
    match p.str("func") {
        "product" => one(|x, y| x * y),
        "dot" => one(|x, y| jnp::dot(x, y)),
        "scaled" => one(|x, y| x * jnp::sum(y, ..)),
        _ => {
            let f = |x: &Array| (jnp::mean(x, ..), jnp::sum(x, ..));
            pair(jnp::vectorize_with(f, options)(&x[0]).unwrap())
        }
    }
}

/// Bits by one of the compiler's algorithms.
fn bits(key: &Array, p: &Params) -> (Array, Array) {
    let of = (p.usizes("shape"), p.dtype("dtype"));
    let algorithm = match p.int("algorithm") {
        0 => return lax::rng_bit_generator(key, of),
        1 => RandomAlgorithm::ThreeFry,
        _ => RandomAlgorithm::Philox,
    };
    lax::rng_bit_generator_with(key, of, RngBitGeneratorOptions::new().algorithm(algorithm))
}

pub const LAX_SMALL: &[&[Row]] = &[&[
    Row {
        name: "lax.rng_bit_generator",
        call: |x, p| {
            let params = p.clone();
            pair(match p.bool("mapped") {
                true => vmap(move |key: &Array| bits(key, &params))(&x[0]).unwrap(),
                false => bits(&x[0], p),
            })
        },
    },
    row!("lax.rng_uniform", |x, p| lax::rng_uniform(&x[0], &x[1], p.usizes("shape"))),
    row!("lax.broadcast_like", |x, _| lax::broadcast_like(&x[0], &x[1])),
    row!("lax.broadcast_to_rank", |x, p| lax::broadcast_to_rank(&x[0], p.usize("rank"))),
    row!("lax.shape_as_value", |_, p| lax::shape_as_value(p.usizes("shape"))),
    row!("lax.index_take", |x, p| lax::index_take(&x[0], &x[1..], p.ints("axes"))),
    row!("lax.conv_shape_tuple", |_, p| {
        let (lhs, rhs, strides) = (p.ints("lhs_shape"), p.ints("rhs_shape"), p.ints("strides"));
        sizes(&match p.has("batch_group_count") {
            true => {
                let options = ConvShapeOptions::new().batch_group_count(p.usize("batch_group_count"));
                lax::conv_shape_tuple_with(lhs, rhs, strides, padding(p, "pads"), options)
            }
            false => lax::conv_shape_tuple(lhs, rhs, strides, padding(p, "pads")),
        })
    }),
    row!("lax.conv_general_shape_tuple", |_, p| sizes(&lax::conv_general_shape_tuple(
        p.ints("lhs_shape"),
        p.ints("rhs_shape"),
        p.ints("window_strides"),
        padding(p, "padding"),
        names(p)
    ))),
    row!("lax.conv_transpose_shape_tuple", |_, p| sizes(&lax::conv_transpose_shape_tuple(
        p.ints("lhs_shape"),
        p.ints("rhs_shape"),
        p.ints("window_strides"),
        padding(p, "padding"),
        names(p)
    ))),
    row!("lax.reduce_window_shape_tuple", |_, p| {
        let mut options = WindowShapeOptions::new();
        if p.has("base_dilation") {
            options = options.base_dilation(p.ints("base_dilation"));
            options = options.window_dilation(p.ints("window_dilation"));
        }
        sizes(&lax::reduce_window_shape_tuple_with(
            p.ints("operand_shape"),
            p.ints("window_dimensions"),
            p.ints("window_strides"),
            padding(p, "padding"),
            options,
        ))
    }),
    Row {
        name: "lax.conv_general_permutations",
        call: |_, p| {
            let axes = lax::conv_general_permutations(names(p));
            vec![sizes(&axes.lhs_spec), sizes(&axes.rhs_spec), sizes(&axes.out_spec)]
        },
    },
    row!("lax.pshuffle", |x, p| {
        let perm = p.ints("perm");
        mapped(&x[0], move |x| lax::pshuffle(x, "i", &perm)).unwrap()
    }),
    row!("lax.pswapaxes", |x, p| {
        let axis = p.int("axis");
        mapped(&x[0], move |x| lax::pswapaxes(x, "i", axis)).unwrap()
    }),
    Row { name: "numpy.vectorize", call: vectorized },
]];
