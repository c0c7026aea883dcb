//! Rows for `jax.numpy.linalg`; where results are unique only up to signs, they give what the adapters of `families/numpy_linalg.py` give.

use raxla::lax::linalg::EighOptions;
use raxla::numpy::linalg::{
    self, CholeskyFactorOptions, CondOptions, CrossAxisOptions, LstsqOptions, MatrixDiagonalOptions,
    MatrixNormOptions, MatrixRankOptions, MatrixTraceOptions, Norm, NormOptions, PinvOptions, SlogdetMethod,
    SlogdetOptions, SvdFactorsOptions, TensorinvOptions, TensorsolveOptions, VectorNormOptions,
};
use raxla::{lax, numpy as jnp};

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::{axes, pair};

fn order(p: &Params, key: &str) -> Option<Norm> {
    if !p.has(key) {
        return None;
    }
    Some(match p.str(key) {
        "fro" => Norm::Frobenius,
        "nuc" => Norm::Nuclear,
        "inf" => Norm::Inf,
        "-inf" => Norm::NegInf,
        _ => Norm::from(p.int(key) as i32),
    })
}

fn eigh_options(p: &Params) -> EighOptions {
    match p.has("UPLO") {
        true => EighOptions::new().lower(p.str("UPLO") == "L").symmetrize_input(p.bool("symmetrize_input")),
        false => EighOptions::new(),
    }
}

fn flag(p: &Params, key: &str) -> bool {
    p.has(key) && p.bool(key)
}

pub const NUMPY_LINALG: &[&[Row]] = &[&[
    row!("numpy.linalg.solve", |x, _| linalg::solve(&x[0], &x[1])),
    row!("numpy.linalg.inv", |x, _| linalg::inv(&x[0])),
    row!("numpy.linalg.det", |x, _| linalg::det(&x[0])),
    Row {
        name: "numpy.linalg.slogdet",
        call: |x, p| match p.has("method") {
            true => pair(linalg::slogdet_with(&x[0], SlogdetOptions::new().method(SlogdetMethod::Qr))),
            false => pair(linalg::slogdet(&x[0])),
        },
    },
    row!("numpy.linalg.cholesky", |x, p| match flag(p, "upper") {
        true => linalg::cholesky_with(&x[0], CholeskyFactorOptions::new().upper(true)),
        false => linalg::cholesky(&x[0]),
    }),
    Row {
        name: "numpy.linalg.eigh",
        call: |x, p| {
            let (w, v) = linalg::eigh_with(&x[0], eigh_options(p));
            vec![w, jnp::abs(v)]
        },
    },
    row!("numpy.linalg.eigvalsh", |x, _| linalg::eigvalsh(&x[0])),
    row!("numpy.linalg.eigvals", |x, _| jnp::sort(linalg::eigvals(&x[0]), -1)),
    Row {
        name: "numpy.linalg.eig",
        call: |x, _| {
            let (w, v) = linalg::eig(&x[0]);
            let order = jnp::argsort(&w, -1);
            let v = jnp::take_along_axis(v, lax::expand_dims(&order, -2), -1);
            vec![jnp::take_along_axis(w, &order, -1), jnp::abs(v)]
        },
    },
    Row {
        name: "numpy.linalg.svd",
        call: |x, p| {
            let mut options = SvdFactorsOptions::new().hermitian(flag(p, "hermitian"));
            if p.has("full_matrices") {
                options = options.full_matrices(p.bool("full_matrices"));
            }
            let (u, s, vh) = linalg::svd_with(&x[0], options);
            vec![jnp::abs(u), s, jnp::abs(vh)]
        },
    },
    row!("numpy.linalg.svdvals", |x, _| linalg::svdvals(&x[0])),
    row!("numpy.linalg.pinv", |x, p| {
        let options = PinvOptions::new().hermitian(flag(p, "hermitian"));
        linalg::pinv_with(&x[0], if x.len() > 1 { options.rtol(&x[1]) } else { options })
    }),
    Row {
        name: "numpy.linalg.lstsq",
        call: |x, p| {
            let (x, resid, rank, s) = match p.has("rcond") {
                true => linalg::lstsq_with(&x[0], &x[1], LstsqOptions::new().rcond(p.float("rcond"))),
                false => linalg::lstsq(&x[0], &x[1]),
            };
            vec![x, resid, rank, s]
        },
    },
    row!("numpy.linalg.matrix_rank", |x, p| {
        let options = MatrixRankOptions::new().hermitian(flag(p, "hermitian"));
        linalg::matrix_rank_with(&x[0], if x.len() > 1 { options.rtol(&x[1]) } else { options })
    }),
    row!("numpy.linalg.cond", |x, p| match order(p, "p") {
        Some(p) => linalg::cond_with(&x[0], CondOptions::new().p(p)),
        None => linalg::cond(&x[0]),
    }),
    row!("numpy.linalg.norms", |x, p| {
        let options = NormOptions::new().keepdims(flag(p, "keepdims"));
        let options = match order(p, "ord") {
            Some(ord) => options.ord(ord),
            None => options,
        };
        linalg::norm_with(&x[0], axes(p), options)
    }),
    row!("numpy.linalg.matrix_norm", |x, p| {
        let ord = order(p, "ord").unwrap_or(Norm::Frobenius);
        linalg::matrix_norm_with(&x[0], MatrixNormOptions::new().ord(ord))
    }),
    row!("numpy.linalg.vector_norm", |x, p| {
        let options = VectorNormOptions::new().keepdims(flag(p, "keepdims"));
        linalg::vector_norm_with(&x[0], axes(p), options.ord(order(p, "ord").unwrap_or(Norm::P(2.0))))
    }),
    row!("numpy.linalg.cross", |x, p| linalg::cross_with(
        &x[0],
        &x[1],
        CrossAxisOptions::new().axis(p.int("axis"))
    )),
    row!("numpy.linalg.outer", |x, _| linalg::outer(&x[0], &x[1])),
    row!("numpy.linalg.diagonal", |x, p| linalg::diagonal_with(
        &x[0],
        MatrixDiagonalOptions::new().offset(p.int("offset"))
    )),
    row!("numpy.linalg.trace", |x, p| linalg::trace_with(
        &x[0],
        MatrixTraceOptions::new().offset(p.int("offset"))
    )),
    row!("numpy.linalg.matrix_transpose", |x, _| linalg::matrix_transpose(&x[0])),
    row!("numpy.linalg.matmul", |x, _| linalg::matmul(&x[0], &x[1])),
    row!("numpy.linalg.vecdot", |x, p| linalg::vecdot(&x[0], &x[1], p.int("axis"))),
    row!("numpy.linalg.tensordot", |x, p| linalg::tensordot(&x[0], &x[1], p.int("axes") as usize)),
    row!("numpy.linalg.tensorinv", |x, p| linalg::tensorinv_with(
        &x[0],
        TensorinvOptions::new().ind(p.int("ind") as usize)
    )),
    row!("numpy.linalg.tensorsolve", |x, p| match p.has("axes") {
        true => linalg::tensorsolve_with(&x[0], &x[1], TensorsolveOptions::new().axes([0])),
        false => linalg::tensorsolve(&x[0], &x[1]),
    }),
    row!("numpy.linalg.matrix_power", |x, p| linalg::matrix_power(&x[0], p.int("n"))),
]];
