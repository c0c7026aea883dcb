//! Rows for `jax.scipy.special` and `jax.scipy.stats`.

use raxla::Array;
use raxla::random;
use raxla::scipy::{special, stats};

use crate::case::{Params, Row};
use crate::rows_numpy::{axes, opt_axis as axis, pair};
use crate::{binary_rows, row, unary_rows};

pub const SPECIAL: &[&[Row]] = &[
    unary_rows!("scipy.special." special: gammaln gammasgn gamma loggamma digamma factorial erf erfc erfinv erfcx wofz dawsn
        ndtr ndtri logit expit entr i0 i0e i1 i1e exp1 expi spence),
    binary_rows!("scipy.special." special: betaln beta gammainc gammaincc xlogy xlog1py kl_div rel_entr boxcox boxcox1p
        poch owens_t polygamma zeta expn),
    &[
        row!("scipy.special.comb", |x, p| match p.has("repetition") {
            true => {
                let options = special::CombOptions::new().repetition(p.bool("repetition"));
                special::comb_with(&x[0], &x[1], options)
            }
            false => special::comb(&x[0], &x[1]),
        }),
        row!("scipy.special.betainc", |x, _| special::betainc(&x[0], &x[1], &x[2])),
        row!("scipy.special.multigammaln", |x, p| special::multigammaln(&x[0], p.usize("d"))),
        row!("scipy.special.bernoulli", |_, p| special::bernoulli(p.usize("n"))),
        row!("scipy.special.log_ndtr", |x, p| match p.size_or_none("series_order") {
            Some(order) => {
                special::log_ndtr_with(&x[0], special::LogNdtrOptions::new().series_order(order))
            }
            None => special::log_ndtr(&x[0]),
        }),
        row!("scipy.special.bessel_jn", |x, p| match p.size_or_none("n_iter") {
            Some(n) => {
                let options = special::BesselJnOptions::new().n_iter(n);
                special::bessel_jn_with(&x[0], p.usize("v"), options)
            }
            None => special::bessel_jn(&x[0], p.usize("v")),
        }),
        row!("scipy.special.softmax", |x, p| special::softmax(&x[0], axes(p))),
        row!("scipy.special.log_softmax", |x, p| special::log_softmax(&x[0], axes(p))),
        row!("scipy.special.logsumexp", |x, p| special::logsumexp(&x[0], axes(p))),
        row!("scipy.special.hyp1f1", |x, _| special::hyp1f1(&x[0], &x[1], &x[2])),
        row!("scipy.special.hyp2f1", |x, _| special::hyp2f1(&x[0], &x[1], &x[2], &x[3])),
        row!("scipy.special.lpmn_values", |x, p| {
            let options = special::LpmnValuesOptions::new().is_normalized(p.bool("is_normalized"));
            special::lpmn_values_with(p.usize("n"), p.usize("n"), &x[0], options)
        }),
        row!("scipy.special.sph_harm_y", |x, p| {
            let options = special::SphHarmYOptions::new().n_max(p.usize("n_max"));
            special::sph_harm_y_with(&x[0], &x[1], &x[2], &x[3], options)
        }),
        Row {
            name: "scipy.special.lpmn",
            call: |x, p| pair(special::lpmn(p.usize("n"), p.usize("n"), &x[0])),
        },
        Row { name: "scipy.special.fresnel", call: |x, _| pair(special::fresnel(&x[0])) },
        Row { name: "scipy.special.sici", call: |x, _| pair(special::sici(&x[0])) },
    ],
];

/// A call with the arrays at these positions, and options.
macro_rules! call_with {
    ($f:path, $x:ident, ($($i:literal)*) $(, $options:expr)?) => {
        $f($(&$x[$i],)* $($options)?)
    };
}

/// Rows of a distribution's functions of the arrays at these positions: by the short form where a case has no options, which are the
/// arrays that `more` names.
macro_rules! stat_rows {
    ($module:ident $args:tt $options:ident: $($name:ident $with:ident)*) => {
        &[$(Row {
            name: concat!("scipy.stats.", stringify!($module), ".", stringify!($name)),
            call: |x, p| vec![match p.has("more") {
                true => call_with!(stats::$module::$with, x, $args, $options(x, p)),
                false => call_with!(stats::$module::$name, x, $args),
            }],
        }),*]
    };
    ($module:ident $args:tt: $($name:ident)*) => {
        &[$(Row {
            name: concat!("scipy.stats.", stringify!($module), ".", stringify!($name)),
            call: |x, _| vec![call_with!(stats::$module::$name, x, $args)],
        }),*]
    };
}

fn loc_scale(x: &[Array], p: &Params) -> stats::LocScaleOptions {
    let names = p.strs("more");
    let arrays = names.iter().zip(&x[x.len() - names.len()..]);
    arrays.fold(stats::LocScaleOptions::new(), |options, (name, x)| match *name {
        "loc" => options.loc(x),
        _ => options.scale(x),
    })
}

fn loc(x: &[Array], _: &Params) -> stats::LocOptions {
    stats::LocOptions::new().loc(&x[x.len() - 1])
}

/// A kernel density estimate, and the arguments that are left.
fn estimate<'a>(x: &'a [Array], p: &Params) -> (stats::GaussianKde, &'a [Array]) {
    let mut options = stats::GaussianKdeOptions::new();
    if p.has("bw_method") {
        options = match p.get("bw_method").as_str() {
            Some("scott") => options.bw_method(stats::BwMethod::Scott),
            Some(_) => options.bw_method(stats::BwMethod::Silverman),
            None => options.bw_method(p.float("bw_method")),
        };
    }
    match p.has("weighted") {
        true => (stats::gaussian_kde_with(&x[0], options.weights(&x[1])), &x[2..]),
        false if p.has("bw_method") => (stats::gaussian_kde_with(&x[0], options), &x[1..]),
        false => (stats::gaussian_kde(&x[0]), &x[1..]),
    }
}

/// A row of an estimate's function.
macro_rules! kde_row {
    ($name:literal, |$kde:ident, $x:ident, $p:pat_param| $body:expr) => {
        row!(concat!("scipy.stats.gaussian_kde.", $name), |x, p| {
            let (($kde, $x), $p) = (estimate(x, p), p);
            $body
        })
    };
}

const KDE: &[Row] = &[
    kde_row!("evaluate", |kde, x, _| kde.evaluate(&x[0])),
    kde_row!("pdf", |kde, x, _| kde.pdf(&x[0])),
    kde_row!("logpdf", |kde, x, _| kde.logpdf(&x[0])),
    kde_row!("integrate_gaussian", |kde, x, _| kde.integrate_gaussian(&x[0], &x[1])),
    kde_row!("integrate_box_1d", |kde, x, _| kde.integrate_box_1d(&x[0], &x[1])),
    kde_row!("integrate_kde", |kde, x, _| kde.integrate_kde(&stats::gaussian_kde(&x[0]))),
    kde_row!("resample", |kde, x, p| kde.resample(&random::wrap_key_data(&x[0]), p.usizes("shape"))),
    Row {
        name: "scipy.stats.gaussian_kde.fields",
        call: |x, p| {
            let (kde, _) = estimate(x, p);
            vec![kde.neff, kde.weights, kde.covariance, kde.inv_cov]
        },
    },
];

pub const STATS: &[&[Row]] = &[
    KDE,
    stat_rows!(norm(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with logsf logsf_with
        ppf ppf_with isf isf_with),
    stat_rows!(bernoulli(0 1) loc: logpmf logpmf_with pmf pmf_with),
    stat_rows!(bernoulli(0 1): cdf ppf),
    stat_rows!(beta(0 1 2) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with
        logsf logsf_with),
    stat_rows!(betabinom(0 1 2 3) loc: logpmf logpmf_with pmf pmf_with),
    stat_rows!(binom(0 1 2) loc: logpmf logpmf_with pmf pmf_with),
    stat_rows!(cauchy(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with logsf logsf_with
        ppf ppf_with isf isf_with),
    stat_rows!(chi2(0 1) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with logsf logsf_with),
    stat_rows!(dirichlet(0 1): logpdf pdf),
    stat_rows!(expon(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with logsf logsf_with
        ppf ppf_with),
    stat_rows!(gamma(0 1) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with logsf logsf_with),
    stat_rows!(gennorm(0 1): logpdf pdf cdf),
    stat_rows!(geom(0 1) loc: logpmf logpmf_with pmf pmf_with),
    stat_rows!(gumbel_l(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with
        logsf logsf_with ppf ppf_with),
    stat_rows!(gumbel_r(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with
        logsf logsf_with ppf ppf_with),
    stat_rows!(laplace(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with),
    stat_rows!(logistic(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with sf sf_with ppf ppf_with isf isf_with),
    stat_rows!(multinomial(0 1 2): logpmf pmf),
    stat_rows!(multivariate_normal(0 1 2): logpdf pdf),
    stat_rows!(nbinom(0 1 2) loc: logpmf logpmf_with pmf pmf_with),
    stat_rows!(pareto(0 1) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with
        logsf logsf_with ppf ppf_with),
    stat_rows!(poisson(0 1) loc: logpmf logpmf_with pmf pmf_with cdf cdf_with),
    stat_rows!(poisson(0) loc: entropy entropy_with),
    stat_rows!(t(0 1) loc_scale: logpdf logpdf_with pdf pdf_with),
    stat_rows!(truncnorm(0 1 2) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with logcdf logcdf_with sf sf_with
        logsf logsf_with),
    stat_rows!(uniform(0) loc_scale: logpdf logpdf_with pdf pdf_with cdf cdf_with ppf ppf_with),
    stat_rows!(vonmises(0 1): logpdf pdf),
    stat_rows!(wrapcauchy(0 1): logpdf pdf),
    &[
        Row {
            name: "scipy.stats.mode",
            call: |x, p| {
                pair(match p.bool("keepdims") {
                    true => stats::mode_with(&x[0], axis(p), stats::ModeOptions::new().keepdims(true)),
                    false => stats::mode(&x[0], axis(p)),
                })
            },
        },
        row!("scipy.stats.rankdata", |x, p| match p.has("method") {
            true => {
                let method = match p.str("method") {
                    "average" => stats::RankMethod::Average,
                    "min" => stats::RankMethod::Min,
                    "max" => stats::RankMethod::Max,
                    "dense" => stats::RankMethod::Dense,
                    _ => stats::RankMethod::Ordinal,
                };
                stats::rankdata_with(&x[0], axis(p), stats::RankdataOptions::new().method(method))
            }
            false => stats::rankdata(&x[0], axis(p)),
        }),
        row!("scipy.stats.sem", |x, p| {
            let mut options = stats::SemOptions::new().keepdims(p.bool("keepdims"));
            if p.has("ddof") {
                options = options.ddof(p.float("ddof"));
            }
            if p.str("nan_policy") == "omit" {
                options = options.nan_policy(stats::NanPolicy::Omit);
            }
            match p.has("nan_policy") || p.has("ddof") {
                true => stats::sem_with(&x[0], axis(p), options),
                false => stats::sem(&x[0], axis(p)),
            }
        }),
    ],
];
