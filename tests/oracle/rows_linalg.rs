//! Rows for `jax.lax.linalg`, and for functions of `jax.numpy.linalg` that have its primitives.

use raxla::lax::linalg::{self, FullMatricesOptions, TriangularSolveOptions};
use raxla::numpy::linalg::{self as jnp, QrMode, QrOptions};

use crate::case::Row;
use crate::row;
use crate::rows_numpy::pair;

pub const LINALG: &[&[Row]] = &[&[
    Row {
        name: "lax.linalg.qr",
        call: |x, p| match p.bool("full_matrices") {
            true => pair(linalg::qr(&x[0])),
            false => pair(linalg::qr_with(&x[0], FullMatricesOptions::new().full_matrices(false))),
        },
    },
    row!("lax.linalg.householder_product", |x, _| linalg::householder_product(&x[0], &x[1])),
    row!("lax.linalg.triangular_solve", |x, p| {
        let options = TriangularSolveOptions::new()
            .left_side(p.bool("left_side"))
            .lower(p.bool("lower"))
            .transpose_a(p.bool("transpose_a"))
            .conjugate_a(p.bool("conjugate_a"))
            .unit_diagonal(p.bool("unit_diagonal"));
        linalg::triangular_solve_with(&x[0], &x[1], options)
    }),
    Row {
        name: "numpy.linalg.qr",
        call: |x, p| match p.str("mode") {
            "r" => vec![jnp::qr(&x[0]).1],
            "reduced" => pair(jnp::qr(&x[0])),
            "complete" => pair(jnp::qr_with(&x[0], QrOptions::new().mode(QrMode::Complete))),
            _ => pair(jnp::qr_with(&x[0], QrOptions::new().mode(QrMode::Raw))),
        },
    },
]];
