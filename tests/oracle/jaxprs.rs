//! What functions trace to: tests/fixtures/function_jaxprs.json has JAX's jaxprs of the families' cases, one or two a function.

use std::collections::BTreeMap;

use super::*;
use raxla::make_jaxpr;

/// The names of the functions that are jitted, in the order in which they are printed.
fn jitted(jaxpr: &str) -> Vec<&str> {
    let names = jaxpr.split("jit[").skip(1).filter_map(|rest| rest.trim_start().strip_prefix("name="));
    names.filter_map(|rest| rest.split_whitespace().next()).collect()
}

/// Functions whose jaxprs have other calls of jitted functions than JAX's, and why.
const OTHER_CALLS: &[(&str, &[&str])] = &[
    (
        "lax stands below what calls jaxprs",
        &["lax.index_take", "lax.dynamic_index_in_dim", "lax.dynamic_update_index_in_dim", "lax.fft"],
    ),
    (
        "what is jitted captures no arrays: tables of numbers are made by the program, and the key is an argument",
        &[
            "scipy.linalg.eigh_tridiagonal",
            "scipy.linalg.expm",
            "scipy.linalg.expm_frechet",
            "scipy.linalg.polar",
            "scipy.linalg.qdwh",
        ],
    ),
    ("slices rather than an array of positions", &["lax.pshuffle", "lax.ppermute"]),
    (
        "one condition after another, which JAX stacks",
        &["scipy.stats.bernoulli.cdf", "scipy.stats.uniform.cdf"],
    ),
    ("shorter jaxprs are not printed in front", &["nn.log1mexp"]),
    (
        "bits rather than arithmetic, for subnormals; derivatives at zero",
        &["numpy.frexp", "numpy.ldexp", "numpy.sinc"],
    ),
    (
        "one search for all values, which JAX maps",
        &[
            "numpy.histogram",
            "numpy.histogram2d",
            "numpy.histogramdd",
            "scipy.interpolate.RegularGridInterpolator",
            "numpy.digitize",
            "numpy.interp",
            "numpy.searchsorted",
        ],
    ),
    (
        "the same place for every quantile",
        &[
            "numpy.nanmedian",
            "numpy.nanpercentile",
            "numpy.nanquantile",
            "numpy.median",
            "numpy.percentile",
            "numpy.quantile",
        ],
    ),
    (
        "known when it is traced",
        &["numpy.tril_indices_from", "numpy.triu_indices_from", "numpy.tril_indices", "numpy.triu_indices"],
    ),
    (
        "other ways to the same",
        &[
            "numpy.histogram_bin_edges",
            "numpy.piecewise",
            "scipy.integrate.trapezoid",
            "scipy.signal.csd",
            "scipy.signal.istft",
            "scipy.signal.stft",
            "scipy.signal.welch",
            "numpy.argwhere",
            "numpy.intersect1d",
            "numpy.diagflat",
            "numpy.polyfit",
            "numpy.roots",
            "scipy.optimize.minimize",
            "scipy.sparse.linalg.bicgstab",
            "scipy.sparse.linalg.cg",
            "scipy.sparse.linalg.gmres",
            "numpy.repeat",
            "numpy.linalg.svd",
            "scipy.linalg.convolution_matrix",
            "scipy.linalg.funm",
            "scipy.linalg.hessenberg",
        ],
    ),
];

/// Functions whose jaxprs have JAX's calls of jitted functions, and other equations or other words, and why.
const OTHER_EQUATIONS: &[(&str, &[&str])] = &[
    (
        "JAX has a primitive for it, and raxla an equation or two",
        &[
            "lax.ragged_dot",
            "lax.ragged_dot_general",
            "lax.scaled_dot",
            "numpy.resize",
            "numpy.choose",
            "lax.empty",
            "lax.stack",
            "lax.tile",
            "lax.unstack",
            "numpy.indices",
            "numpy.select",
            "numpy.stack",
            "numpy.tile",
            "lax.random_gamma_grad",
        ],
    ),
    (
        "JAX has it for GPUs alone: what is compared is a formula",
        &["nn.scaled_matmul", "nn.scaled_dot_general"],
    ),
    (
        "raxla has a primitive for it, and JAX a function with a derivative of its own",
        &[
            "lax.logaddexp",
            "numpy.logaddexp",
            "numpy.logaddexp2",
            "nn.softplus",
            "nn.log_sigmoid",
            "nn.mish",
            "scipy.stats.logistic.logpdf",
            "scipy.stats.logistic.pdf",
        ],
    ),
    (
        "JAX prints numbers of NumPy as such: np.int64(1)",
        &[
            "lax.all_gather",
            "lax.all_gather_tiled",
            "lax.pmax",
            "lax.pmean",
            "lax.pmin",
            "lax.psum",
            "numpy.pad",
            "numpy.array_split",
            "numpy.dsplit",
            "numpy.hsplit",
            "numpy.split",
            "numpy.vsplit",
            "nn.glu",
            "scipy.linalg.companion",
            "scipy.linalg.leslie",
            "scipy.linalg.solve_triangular",
        ],
    ),
    (
        "the adapters of the families say what is determined in other words",
        &[
            "lax.linalg.eig",
            "lax.linalg.eig_values",
            "lax.linalg.schur",
            "lax.linalg.svd",
            "numpy.linalg.eig",
            "scipy.linalg.rsf2csf",
            "scipy.linalg.schur",
            "scipy.linalg.svd",
        ],
    ),
    (
        "JAX names jaxprs of a solution in front, and prints them where they are all the same",
        &[
            "lax.custom_linear_solve",
            "numpy.linalg.inv",
            "numpy.linalg.solve",
            "numpy.linalg.matrix_power",
            "numpy.linalg.tensorinv",
            "numpy.linalg.tensorsolve",
            "scipy.linalg.inv",
            "scipy.linalg.solve",
        ],
    ),
    (
        "a number keeps the digits of its dtype alone",
        &[
            "nn.selu",
            "scipy.stats.multivariate_normal.logpdf",
            "scipy.stats.multivariate_normal.pdf",
            "scipy.stats.wrapcauchy.logpdf",
            "scipy.stats.wrapcauchy.pdf",
        ],
    ),
    (
        "what JAX computes twice is computed once",
        &["scipy.special.ndtr", "scipy.stats.norm.cdf", "scipy.stats.norm.sf"],
    ),
    ("known when it is traced", &["scipy.special.bernoulli", "scipy.special.multigammaln"]),
    (
        "other ways to the same",
        &[
            "image.scale_and_translate",
            "lax.pswapaxes",
            "lax.shape_as_value",
            "numpy.apply_along_axis",
            "numpy.corrcoef",
            "numpy.correlate",
            "numpy.fromfunction",
            "numpy.gradient",
            "numpy.packbits",
            "numpy.polyadd",
            "numpy.polyder",
            "numpy.polydiv",
            "numpy.polyint",
            "numpy.polysub",
            "numpy.pow",
            "numpy.unpackbits",
            "numpy.unwrap",
            "numpy.vectorize",
            "scipy.cluster.vq.vq",
            "scipy.fft.dct",
            "scipy.fft.dctn",
            "scipy.fft.idct",
            "scipy.fft.idctn",
            "scipy.ndimage.map_coordinates",
            "scipy.signal.convolve",
            "scipy.signal.convolve2d",
            "scipy.signal.correlate",
            "scipy.signal.correlate2d",
            "scipy.signal.fftconvolve",
            "numpy.compress",
            "numpy.extract",
            "numpy.fft.fft2",
            "numpy.fft.fftfreq",
            "numpy.fft.ifft2",
            "numpy.fft.irfft2",
            "numpy.fft.rfft2",
            "numpy.fft.rfftfreq",
            "numpy.fill_diagonal",
            "numpy.flatnonzero",
            "numpy.insert",
            "numpy.mask_indices",
            "numpy.nonzero",
            "numpy.place",
            "numpy.put",
            "numpy.ravel_multi_index",
            "numpy.setdiff1d",
            "numpy.setxor1d",
            "numpy.union1d",
            "numpy.unique",
            "numpy.unique_all",
            "numpy.unique_counts",
            "numpy.unique_inverse",
            "numpy.unique_values",
            "lax.all_to_all",
            "lax.psum_scatter",
            "lax.conv_general_dilated_local",
            "lax.conv_general_dilated_patches",
            "lax.padtype_to_pads",
            "lax.switch",
            "nn.dot_product_attention",
            "nn.logsumexp_sign",
            "numpy.arange",
            "numpy.at_get",
            "numpy.at_max",
            "numpy.at_min",
            "numpy.at_multiply",
            "numpy.average",
            "numpy.cross",
            "numpy.diagonal",
            "numpy.dot",
            "numpy.geomspace",
            "numpy.isclose",
            "numpy.linalg.multi_dot",
            "numpy.log2",
            "numpy.logspace",
            "numpy.matmul",
            "numpy.meshgrid",
            "numpy.nan_to_num",
            "numpy.nanargmax",
            "numpy.nanargmin",
            "numpy.nanmean",
            "numpy.nanstd",
            "numpy.trace",
            "numpy.vecdot",
            "lax.linalg.symmetric_product",
            "numpy.linalg.cond",
            "numpy.linalg.cross",
            "numpy.linalg.det",
            "numpy.linalg.lstsq",
            "numpy.linalg.matrix_rank",
            "numpy.linalg.norms",
            "numpy.linalg.outer",
            "numpy.linalg.pinv",
            "numpy.linalg.slogdet",
            "numpy.linalg.trace",
            "numpy.linalg.vecdot",
            "scipy.linalg.block_diag",
            "scipy.linalg.circulant",
            "scipy.linalg.det",
            "scipy.linalg.dft",
            "scipy.linalg.fiedler_companion",
            "scipy.linalg.hankel",
            "scipy.linalg.helmert",
            "scipy.linalg.invhilbert",
            "scipy.linalg.lu",
            "scipy.linalg.solve_sylvester",
            "scipy.linalg.sqrtm",
            "scipy.linalg.toeplitz",
            "scipy.linalg.qr_multiply",
        ],
    ),
];

#[test]
fn functions_trace_to_what_they_trace_to_in_jax() {
    let read = |name: &str| {
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let expected: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(&read("function_jaxprs.json")).unwrap();
    let table: HashMap<&str, Row> = EVERY.concat().concat().into_iter().map(|row| (row.name, row)).collect();
    let (mut agree, mut calls, mut equations) = (0, BTreeMap::new(), BTreeMap::new());
    for (family, expected) in &expected {
        let text = read(&format!("{family}.jsonl"));
        for case in text.lines().map(Case::parse) {
            let Some(jax) = expected.get(&case.id) else { continue };
            let found = with_x64(case.x64, || {
                let args: Vec<Array> = case.args.iter().map(|a| a.array().unwrap()).collect();
                let (call, params) = (table[case.function.as_str()].call, case.params.clone());
                make_jaxpr(move |x: &Vec<Array>| call(x, &params))(&args).map(|j| j.to_string())
            });
            let found = found.unwrap_or_else(|e| e.to_string());
            let text = format!("{}: ours\n{found}\nJAX's\n{jax}\n", case.id);
            if found == *jax {
                agree += 1;
                continue;
            }
            let differ = if jitted(&found) == jitted(jax) { &mut equations } else { &mut calls };
            differ.entry(case.function).or_insert(text);
        }
    }
    equations.retain(|function, _| !calls.contains_key(function));
    println!("{agree} jaxprs agree, {} functions differ", calls.len() + equations.len());
    // With `--nocapture`, what differs.
    calls.values().for_each(|text| println!("CALLS {text}"));
    equations.values().for_each(|text| println!("EQUATIONS {text}"));
    for (known, found) in [(OTHER_CALLS, calls), (OTHER_EQUATIONS, equations)] {
        let mut known: Vec<&str> =
            known.iter().flat_map(|(_, functions)| functions.iter().copied()).collect();
        known.sort_unstable();
        let found: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(found, known);
    }
}
