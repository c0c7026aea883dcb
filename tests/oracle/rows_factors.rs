//! Rows for functions of `jax.lax.linalg` whose results are unique only up to signs, phases or orders: they give what the adapters of
//! `families/linalg_factors.py` give.

use raxla::lax::linalg::{
    self, CholeskyOptions, EigOptions, EighOptions, FullMatricesOptions, OrmqrOptions, SvdOptions,
    SymmetricProductOptions, TridiagonalOptions,
};
use raxla::numpy::{self as jnp};
use raxla::{Array, lax};

use crate::case::Row;
use crate::row;

/// The product of matrices as exact as it can be.
fn product(x: &Array, y: &Array) -> Array {
    jnp::matmul(x, y)
}

/// Values in ascending order, and the absolute values of their vectors.
fn in_order(outs: &[Array]) -> Vec<Array> {
    let order = jnp::argsort(&outs[0], -1);
    let columns = lax::expand_dims(&order, -2);
    let values = jnp::take_along_axis(&outs[0], &order, -1);
    let vectors = outs[1..].iter().map(|v| jnp::abs(jnp::take_along_axis(v, &columns, -1)));
    std::iter::once(values).chain(vectors).collect()
}

fn adjoint(x: &Array) -> Array {
    jnp::conjugate(jnp::matrix_transpose(x))
}

/// The first columns of matrices.
fn columns(x: &Array, n: usize) -> Array {
    lax::slice_in_dim(x, ..n, -1)
}

/// What is below the diagonal, or below the elements beside it.
fn below(t: &Array) -> Array {
    jnp::tril_with(t, jnp::DiagOptions::new().k(if t.dtype().is_complex() { -1 } else { -2 }))
}

pub const FACTORS: &[&[Row]] = &[&[
    Row {
        name: "lax.linalg.schur",
        call: |x, _| {
            let (t, q) = linalg::schur(&x[0]);
            vec![product(&product(&q, &t), &adjoint(&q)), product(&adjoint(&q), &q), below(&t)]
        },
    },
    Row {
        name: "lax.linalg.hessenberg",
        call: |x, _| {
            let (a, taus) = linalg::hessenberg(&x[0]);
            vec![a, taus]
        },
    },
    Row {
        name: "lax.linalg.tridiagonal",
        call: |x, p| {
            let options = TridiagonalOptions::new().lower(p.bool("lower"));
            let (a, d, e, taus) = linalg::tridiagonal_with(&x[0], options);
            vec![a, d, e, taus]
        },
    },
    Row {
        name: "lax.linalg.qr_pivoting",
        call: |x, p| {
            let options = FullMatricesOptions::new().full_matrices(p.bool("full_matrices"));
            let (q, r, p) = linalg::qr_pivoting_with(&x[0], options);
            vec![q, r, p]
        },
    },
    row!("lax.linalg.ormqr", |x, p| {
        let options = OrmqrOptions::new().left(p.bool("left")).transpose(p.bool("transpose"));
        linalg::ormqr_with(&x[0], &x[1], &x[2], options)
    }),
    row!("lax.linalg.tridiagonal_solve", |x, _| linalg::tridiagonal_solve(&x[0], &x[1], &x[2], &x[3])),
    row!("lax.linalg.cholesky_update", |x, _| linalg::cholesky_update(&x[0], &x[1])),
    row!("lax.linalg.symmetric_product", |x, p| {
        let options = SymmetricProductOptions::new()
            .alpha(p.float("alpha"))
            .beta(p.float("beta"))
            .symmetrize_output(p.bool("symmetrize_output"));
        linalg::symmetric_product_with(&x[0], &x[1], options)
    }),
    row!("lax.linalg.cholesky", |x, p| match p.has("symmetrize_input") {
        true =>
            linalg::cholesky_with(&x[0], CholeskyOptions::new().symmetrize_input(p.bool("symmetrize_input"))),
        false => linalg::cholesky(&x[0]),
    }),
    Row {
        name: "lax.linalg.eigh",
        call: |x, p| {
            let (v, w) = match p.has("lower") {
                true => linalg::eigh_with(
                    &x[0],
                    EighOptions::new().symmetrize_input(p.bool("symmetrize_input")).lower(p.bool("lower")),
                ),
                false => linalg::eigh(&x[0]),
            };
            vec![jnp::abs(v), w]
        },
    },
    Row {
        name: "lax.linalg.lu",
        call: |x, _| {
            let (lu, pivots, permutation) = linalg::lu(&x[0]);
            vec![lu, pivots, permutation]
        },
    },
    row!("lax.linalg.lu_pivots_to_permutation", |x, p| {
        linalg::lu_pivots_to_permutation(&x[0], p.int("permutation_size") as usize)
    }),
    Row {
        name: "lax.linalg.svd",
        call: |x, p| {
            let options = SvdOptions::new().full_matrices(p.bool("full_matrices"));
            let (u, s, vh) = linalg::svd_with(&x[0], options);
            let n = s.shape()[s.ndim() - 1];
            let rows = jnp::matrix_transpose(columns(&jnp::matrix_transpose(&vh), n));
            let spans = [product(&u, &adjoint(&u)), product(&adjoint(&vh), &vh)];
            [jnp::abs(columns(&u, n)), s, jnp::abs(rows)].into_iter().chain(spans).collect()
        },
    },
    row!("lax.linalg.svd_values", |x, _| linalg::singular_values(&x[0])),
    Row {
        name: "lax.linalg.eig",
        call: |x, p| {
            in_order(&linalg::eig_with(&x[0], EigOptions::new().enable_eigvec_derivs(p.bool("derivs"))))
        },
    },
    Row {
        name: "lax.linalg.eig_values",
        call: |x, _| {
            let options =
                EigOptions::new().compute_left_eigenvectors(false).compute_right_eigenvectors(false);
            in_order(&linalg::eig_with(&x[0], options))
        },
    },
]];
