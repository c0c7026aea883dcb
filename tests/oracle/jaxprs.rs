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
        &["lax.dynamic_index_in_dim", "lax.dynamic_update_index_in_dim", "lax.fft"],
    ),
    ("slices rather than an array of positions", &["lax.ppermute"]),
    ("shorter jaxprs are not printed in front", &["nn.log1mexp"]),
    (
        "bits rather than arithmetic, for subnormals; derivatives at zero",
        &["numpy.frexp", "numpy.ldexp", "numpy.sinc"],
    ),
    ("one search for all values, which JAX maps", &["numpy.digitize", "numpy.interp", "numpy.searchsorted"]),
    ("the same place for every quantile", &["numpy.median", "numpy.percentile", "numpy.quantile"]),
    ("known when it is traced", &["numpy.tril_indices", "numpy.triu_indices"]),
    ("other ways to the same", &["numpy.diagflat", "numpy.einsum", "numpy.repeat"]),
];

/// Functions whose jaxprs have JAX's calls of jitted functions, and other equations or other words, and why.
const OTHER_EQUATIONS: &[(&str, &[&str])] = &[
    (
        "JAX has a primitive for it, and raxla an equation or two",
        &[
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
        "raxla has a primitive for it, and JAX a function with a derivative of its own",
        &["lax.logaddexp", "numpy.logaddexp", "numpy.logaddexp2", "nn.softplus", "nn.log_sigmoid", "nn.mish"],
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
            "numpy.hsplit",
            "numpy.split",
            "numpy.vsplit",
            "nn.glu",
        ],
    ),
    ("a number keeps the digits of its dtype alone", &["nn.selu"]),
    (
        "other ways to the same",
        &[
            "lax.all_to_all",
            "lax.psum_scatter",
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
