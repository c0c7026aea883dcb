//! Rows for `jax.scipy.linalg`; where results are unique only up to signs, they give what the adapters of `families/scipy_linalg.py` give.

use raxla::Array;
use raxla::numpy::{self as jnp, ConvolveMode, DiagOptions};
use raxla::scipy::linalg::{
    self, ChoFactorOptions, ConvolutionMatrixOptions, DftOptions, DftScale, EighFactorsOptions,
    EighTridiagonalOptions, ExpmFrechetOptions, ExpmOptions, FunmOptions, HadamardOptions, HankelOptions,
    HelmertOptions, HessenbergOptions, LuOptions, LuSolveOptions, PascalKind, PascalOptions, PolarMethod,
    PolarOptions, PolarSide, QrMultiplyOptions, QrSide, QrSize, QrSizeOptions, SchurFormOptions, SchurOutput,
    Select, SolveAssumption, SolveOptions, SolveTriangularOptions, SvdSizeOptions, SylvesterMethod,
    SylvesterOptions, ToeplitzOptions, Trans, TriangleOptions,
};

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::pair;

fn flag(p: &Params, key: &str, default: bool) -> bool {
    if p.has(key) { p.bool(key) } else { default }
}

fn is(p: &Params, key: &str, value: &str) -> bool {
    p.has(key) && p.str(key) == value
}

fn trans(p: &Params) -> Trans {
    match p.int_or("trans", 0) {
        0 => Trans::None,
        1 => Trans::Transpose,
        _ => Trans::Adjoint,
    }
}

fn adjoint(x: &Array) -> Array {
    jnp::conjugate(jnp::matrix_transpose(x))
}

/// The matrix, that the vectors are unitary, and that the form is triangular.
fn determined(t: &Array, z: &Array, below: i64) -> Vec<Array> {
    let again = jnp::matmul(jnp::matmul(z, t), adjoint(z));
    vec![again, jnp::matmul(adjoint(z), z), jnp::tril_with(t, DiagOptions::new().k(below))]
}

fn pascal_options(p: &Params) -> PascalOptions {
    PascalOptions::new().kind(match () {
        () if is(p, "kind", "lower") => PascalKind::Lower,
        () if is(p, "kind", "upper") => PascalKind::Upper,
        () => PascalKind::Symmetric,
    })
}

fn some(outs: impl IntoIterator<Item = Option<Array>>) -> Vec<Array> {
    outs.into_iter().flatten().collect()
}

pub const SCIPY_LINALG: &[&[Row]] = &[&[
    row!("scipy.linalg.det", |x, _| linalg::det(&x[0])),
    row!("scipy.linalg.inv", |x, _| linalg::inv(&x[0])),
    row!("scipy.linalg.solve", |x, p| {
        let positive = is(p, "assume_a", "pos");
        let assumed = if positive { SolveAssumption::Positive } else { SolveAssumption::General };
        linalg::solve_with(&x[0], &x[1], SolveOptions::new().assume_a(assumed).lower(flag(p, "lower", false)))
    }),
    row!("scipy.linalg.solve_triangular", |x, p| {
        let options = SolveTriangularOptions::new().trans(trans(p)).lower(flag(p, "lower", false));
        linalg::solve_triangular_with(&x[0], &x[1], options.unit_diagonal(flag(p, "unit_diagonal", false)))
    }),
    row!("scipy.linalg.cholesky", |x, p| {
        linalg::cholesky_with(&x[0], TriangleOptions::new().lower(flag(p, "lower", false)))
    }),
    row!("scipy.linalg.cho_factor", |x, p| {
        linalg::cho_factor_with(&x[0], ChoFactorOptions::new().lower(p.bool("lower"))).0
    }),
    row!("scipy.linalg.cho_solve", |x, p| linalg::cho_solve((&x[0], p.bool("lower")), &x[1])),
    Row { name: "scipy.linalg.lu_factor", call: |x, _| pair(linalg::lu_factor(&x[0])) },
    row!("scipy.linalg.lu_solve", |x, p| {
        linalg::lu_solve_with(linalg::lu_factor(&x[0]), &x[1], LuSolveOptions::new().trans(trans(p)))
    }),
    Row {
        name: "scipy.linalg.lu",
        call: |x, p| {
            let (p, l, u) = linalg::lu_with(&x[0], LuOptions::new().permute_l(flag(p, "permute_l", false)));
            some([p, Some(l), Some(u)])
        },
    },
    Row {
        name: "scipy.linalg.qr",
        call: |x, p| {
            let mode = if is(p, "mode", "economic") { QrSize::Economic } else { QrSize::Full };
            let options = QrSizeOptions::new().mode(mode).pivoting(flag(p, "pivoting", false));
            let (q, r, p) = linalg::qr_with(&x[0], options);
            some([Some(q), Some(r), p])
        },
    },
    Row {
        name: "scipy.linalg.qr_multiply",
        call: |x, p| {
            let mode = if is(p, "mode", "left") { QrSide::Left } else { QrSide::Right };
            let options = QrMultiplyOptions::new().mode(mode).pivoting(flag(p, "pivoting", false));
            let options = options.conjugate(flag(p, "conjugate", false));
            let (cq, r, p) = linalg::qr_multiply_with(&x[0], &x[1], options);
            some([Some(cq), Some(r), p])
        },
    },
    Row {
        name: "scipy.linalg.svd",
        call: |x, p| {
            let options = SvdSizeOptions::new()
                .full_matrices(flag(p, "full_matrices", true))
                .compute_uv(flag(p, "compute_uv", true));
            let (u, s, vh) = linalg::svd_with(&x[0], options);
            let with_vectors = u.is_some();
            let s = if with_vectors { jnp::abs(s) } else { s };
            some([u.map(jnp::abs), Some(s), vh.map(jnp::abs)])
        },
    },
    Row {
        name: "scipy.linalg.eigh",
        call: |x, p| {
            let options = EighFactorsOptions::new().lower(flag(p, "lower", true)).eigvals_only(flag(
                p,
                "eigvals_only",
                false,
            ));
            let (w, v) = linalg::eigh_with(&x[0], options);
            some([Some(w), v.map(jnp::abs)])
        },
    },
    Row {
        name: "scipy.linalg.schur",
        call: |x, p| {
            let complex = is(p, "output", "complex");
            let output = if complex { SchurOutput::Complex } else { SchurOutput::Real };
            let (t, z) = linalg::schur_with(&x[0], SchurFormOptions::new().output(output));
            determined(&t, &z, if t.dtype().is_complex() { -1 } else { -2 })
        },
    },
    Row {
        name: "scipy.linalg.rsf2csf",
        call: |x, _| {
            let (t, z) = linalg::schur(&x[0]);
            let (t, z) = linalg::rsf2csf(t, z);
            determined(&t, &z, -1)
        },
    },
    Row {
        name: "scipy.linalg.hessenberg",
        call: |x, p| {
            let options = HessenbergOptions::new().calc_q(flag(p, "calc_q", false));
            let (h, q) = linalg::hessenberg_with(&x[0], options);
            some([Some(h), q])
        },
    },
    Row {
        name: "scipy.linalg.polar",
        call: |x, p| {
            let side = if is(p, "side", "left") { PolarSide::Left } else { PolarSide::Right };
            let method = if is(p, "method", "svd") { PolarMethod::Svd } else { PolarMethod::Qdwh };
            pair(linalg::polar_with(&x[0], PolarOptions::new().side(side).method(method)))
        },
    },
    Row {
        name: "scipy.linalg.qdwh",
        call: |x, _| {
            let (u, h, _, is_converged) = linalg::qdwh(&x[0]);
            vec![u, h, is_converged]
        },
    },
    Row {
        name: "scipy.linalg.eigh_tridiagonal",
        call: |x, p| {
            let mut options = EighTridiagonalOptions::new().eigvals_only(flag(p, "eigvals_only", false));
            if p.has("select_range") {
                let range = p.usizes("select_range");
                options = options.select(Select::Indices(range[0], range[1]));
            }
            let (w, v) = linalg::eigh_tridiagonal_with(&x[0], &x[1], options);
            some([Some(w), v.map(jnp::abs)])
        },
    },
    row!("scipy.linalg.expm", |x, p| {
        let options = ExpmOptions::new().upper_triangular(flag(p, "upper_triangular", false));
        linalg::expm_with(&x[0], options)
    }),
    Row {
        name: "scipy.linalg.expm_frechet",
        call: |x, p| {
            let options = ExpmFrechetOptions::new().compute_expm(flag(p, "compute_expm", true));
            let (y, dy) = linalg::expm_frechet_with(&x[0], &x[1], options);
            some([y, Some(dy)])
        },
    },
    row!("scipy.linalg.sqrtm", |x, _| linalg::sqrtm(&x[0])),
    Row {
        name: "scipy.linalg.funm",
        call: |x, p| {
            let options = FunmOptions::new().disp(flag(p, "disp", true));
            let (y, error) = linalg::funm_with(&x[0], |x: Array| jnp::sin(x), options).unwrap();
            some([Some(y), error])
        },
    },
    row!("scipy.linalg.solve_sylvester", |x, p| {
        let method = if is(p, "method", "eigen") { SylvesterMethod::Eigen } else { SylvesterMethod::Schur };
        linalg::solve_sylvester_with(&x[0], &x[1], &x[2], SylvesterOptions::new().method(method))
    }),
    row!("scipy.linalg.block_diag", |x, _| linalg::block_diag(x)),
    row!("scipy.linalg.toeplitz", |x, _| match x.len() {
        1 => linalg::toeplitz(&x[0]),
        _ => linalg::toeplitz_with(&x[0], ToeplitzOptions::new().r(&x[1])),
    }),
    row!("scipy.linalg.hankel", |x, _| match x.len() {
        1 => linalg::hankel(&x[0]),
        _ => linalg::hankel_with(&x[0], HankelOptions::new().r(&x[1])),
    }),
    row!("scipy.linalg.circulant", |x, _| linalg::circulant(&x[0])),
    row!("scipy.linalg.leslie", |x, _| linalg::leslie(&x[0], &x[1])),
    row!("scipy.linalg.companion", |x, _| linalg::companion(&x[0])),
    row!("scipy.linalg.fiedler", |x, _| linalg::fiedler(&x[0])),
    row!("scipy.linalg.fiedler_companion", |x, _| linalg::fiedler_companion(&x[0])),
    row!("scipy.linalg.convolution_matrix", |x, p| {
        let mode = match () {
            () if is(p, "mode", "valid") => ConvolveMode::Valid,
            () if is(p, "mode", "same") => ConvolveMode::Same,
            () => ConvolveMode::Full,
        };
        linalg::convolution_matrix_with(&x[0], p.usize("n"), ConvolutionMatrixOptions::new().mode(mode))
    }),
    row!("scipy.linalg.hilbert", |_, p| linalg::hilbert(p.usize("n"))),
    row!("scipy.linalg.invhilbert", |_, p| linalg::invhilbert(p.usize("n"))),
    row!("scipy.linalg.pascal", |_, p| linalg::pascal_with(p.usize("n"), pascal_options(p))),
    row!("scipy.linalg.invpascal", |_, p| linalg::invpascal_with(p.usize("n"), pascal_options(p))),
    row!("scipy.linalg.helmert", |_, p| {
        linalg::helmert_with(p.usize("n"), HelmertOptions::new().full(flag(p, "full", false)))
    }),
    row!("scipy.linalg.hadamard", |_, p| match p.dtype_or_none("dtype") {
        Some(dtype) => linalg::hadamard_with(p.usize("n"), HadamardOptions::new().dtype(dtype)),
        None => linalg::hadamard(p.usize("n")),
    }),
    row!("scipy.linalg.dft", |_, p| {
        let scale = match () {
            () if is(p, "scale", "sqrtn") => DftScale::SqrtN,
            () if is(p, "scale", "n") => DftScale::N,
            () => DftScale::None,
        };
        let options = DftOptions::new().scale(scale);
        let options = match p.dtype_or_none("dtype") {
            Some(dtype) => options.dtype(dtype),
            None => options,
        };
        linalg::dft_with(p.usize("n"), options)
    }),
]];
