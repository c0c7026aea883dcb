//! Rows for `jax.numpy`.

use raxla::numpy::linalg::{self, Norm, NormOptions};
use raxla::numpy::{
    self as jnp, AngleOptions, ArangeOptions, ArrayEqualOptions, AverageOptions, CloseOptions, CrossOptions,
    CumulativeOptions, DiagIndicesOptions, DiagOptions, DiagonalOptions, DiffOptions, DotOptions,
    Ediff1dOptions, EyeOptions, GeomspaceOptions, Indexing, IndicesOptions, JoinOptions, LikeOptions,
    LinspaceOptions, LogspaceOptions, MeshgridOptions, NanToNumOptions, Order, PadMode, PadOptions, PadWidth,
    ReduceOptions, ReflectType, RepeatOptions, Repeats, ReshapeOptions, RollaxisOptions, Rot90Options,
    RoundOptions, SelectOptions, TraceOptions, TrapezoidOptions, TriIndicesOptions, VanderOptions,
    VarOptions,
};
use raxla::{Array, Axes, OptAxis, ShapeDtype};

use crate::case::{Params, Row};
use crate::{binary_rows, reduce_rows, row, unary_rows};

pub const UFUNC: &[&[Row]] = &[
    unary_rows!("numpy." jnp: exp exp2 expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh
        arcsinh arccosh arctanh deg2rad rad2deg sinc abs fabs negative positive sign square reciprocal floor ceil trunc rint
        isnan isinf isfinite signbit conjugate real imag logical_not isposinf isneginf spacing bitwise_count
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
        row!("numpy.round", |x, p| jnp::round_with(&x[0], decimals(p))),
        row!("numpy.clip", |x, _| jnp::clip(&x[0], &x[1], &x[2])),
        row!("numpy.where", |x, _| jnp::where_(&x[0], &x[1], &x[2])),
        row!("numpy.select", |x, _| jnp::select_with(&x[..2], &x[2..4], SelectOptions::new().default(&x[4]))),
        row!("numpy.fix", |x, _| jnp::fix(&x[0])),
        row!("numpy.i0", |x, _| jnp::i0(&x[0])),
        row!("numpy.nan_to_num", |x, p| {
            let mut options = NanToNumOptions::new();
            if p.has("nan") {
                options = options.nan(p.float("nan"));
            }
            if p.has("posinf") {
                options = options.posinf(p.float("posinf"));
            }
            if p.has("neginf") {
                options = options.neginf(p.float("neginf"));
            }
            jnp::nan_to_num_with(&x[0], options)
        }),
        row!("numpy.isclose", |x, p| match p.has("rtol") {
            true => jnp::isclose_with(&x[0], &x[1], close(p)),
            false => jnp::isclose(&x[0], &x[1]),
        }),
        row!("numpy.allclose", |x, p| match p.has("rtol") {
            true => jnp::allclose_with(&x[0], &x[1], close(p)),
            false => jnp::allclose(&x[0], &x[1]),
        }),
        row!("numpy.array_equal", |x, p| match p.has("equal_nan") {
            true =>
                jnp::array_equal_with(&x[0], &x[1], ArrayEqualOptions::new().equal_nan(p.bool("equal_nan"))),
            false => jnp::array_equal(&x[0], &x[1]),
        }),
        row!("numpy.angle", |x, p| match p.has("deg") {
            true => jnp::angle_with(&x[0], AngleOptions::new().deg(p.bool("deg"))),
            false => jnp::angle(&x[0]),
        }),
    ],
];

fn close(p: &Params) -> CloseOptions {
    CloseOptions::new().rtol(p.float("rtol")).atol(p.float("atol")).equal_nan(p.bool("equal_nan"))
}

fn decimals(p: &Params) -> RoundOptions {
    RoundOptions::new().decimals(p.int("decimals"))
}

pub fn pair((a, b): (Array, Array)) -> Vec<Array> {
    vec![a, b]
}

/// `axis` where it may be several; `..` for `None`.
pub fn axes(p: &Params) -> Axes {
    match p.has("axis") {
        false => Axes::from(..),
        true => Axes::from(&p.ints("axis")[..]),
    }
}

/// `axis` where it is one, or `..` for `None`.
pub fn opt_axis(p: &Params) -> OptAxis {
    match p.has("axis") {
        false => OptAxis::from(..),
        true => OptAxis::from(p.int("axis")),
    }
}

/// The options of a reduction, if a case has any; a mask and an initial value are the arrays behind the first, in this order.
pub fn reduce_options(p: &Params, arrays: &[Array]) -> Option<ReduceOptions> {
    let names = ["keepdims", "dtype", "where", "initial", "promote_integers"];
    if names.iter().all(|name| !p.names(name)) {
        return None;
    }
    let mut arrays = arrays.iter();
    let mut options = ReduceOptions::new().keepdims(p.bool("keepdims"));
    if p.has("dtype") {
        options = options.dtype(p.dtype("dtype"));
    }
    if p.bool("where") {
        options = options.where_(arrays.next().unwrap());
    }
    if p.bool("initial") {
        options = options.initial(arrays.next().unwrap());
    }
    if p.has("promote_integers") {
        options = options.promote_integers(p.bool("promote_integers"));
    }
    Some(options)
}

fn var_options(p: &Params, arrays: &[Array]) -> Option<VarOptions> {
    let names = ["keepdims", "dtype", "where", "ddof", "correction", "mean"];
    if names.iter().all(|name| !p.names(name)) {
        return None;
    }
    let mut arrays = arrays.iter();
    let mut options = VarOptions::new().keepdims(p.bool("keepdims"));
    if p.has("dtype") {
        options = options.dtype(p.dtype("dtype"));
    }
    if p.has("ddof") {
        options = options.ddof(p.float("ddof"));
    }
    if p.has("correction") {
        options = options.correction(p.float("correction"));
    }
    if p.bool("where") {
        options = options.where_(arrays.next().unwrap());
    }
    if p.bool("mean") {
        options = options.mean(arrays.next().unwrap());
    }
    Some(options)
}

fn cumulative_options(p: &Params, _: &[Array]) -> Option<CumulativeOptions> {
    p.has("dtype").then(|| CumulativeOptions::new().dtype(p.dtype("dtype")))
}

fn norm_options(p: &Params, _: &[Array]) -> Option<NormOptions> {
    if !p.has("ord") && !p.names("keepdims") {
        return None;
    }
    let options = NormOptions::new().keepdims(p.bool("keepdims"));
    Some(match p.get("ord") {
        serde_json::Value::Null => options,
        serde_json::Value::String(s) if s == "fro" => options.ord(Norm::Frobenius),
        serde_json::Value::String(s) => options.ord(if s == "inf" { Norm::Inf } else { Norm::NegInf }),
        _ => options.ord(p.float("ord")),
    })
}

pub const REDUCE: &[&[Row]] = &[
    reduce_rows!("numpy." jnp reduce_options, axes: sum sum_with mean mean_with prod prod_with nansum nansum_with
        nanmean nanmean_with nanprod nanprod_with max max_with min min_with ptp ptp_with nanmax nanmax_with
        nanmin nanmin_with all all_with any any_with count_nonzero count_nonzero_with median median_with),
    reduce_rows!("numpy." jnp var_options, axes: var var_with std std_with nanvar nanvar_with nanstd nanstd_with),
    reduce_rows!("numpy." jnp reduce_options, opt_axis: argmax argmax_with argmin argmin_with nanargmax nanargmax_with
        nanargmin nanargmin_with),
    reduce_rows!("numpy." jnp cumulative_options, opt_axis: cumsum cumsum_with cumprod cumprod_with nancumsum nancumsum_with
        nancumprod nancumprod_with),
    reduce_rows!("numpy.linalg." linalg norm_options, axes: norm norm_with),
    &[
        Row {
            name: "numpy.average",
            call: |x, p| {
                let mut options = AverageOptions::new().keepdims(p.bool("keepdims"));
                if let Some(weights) = x.get(1) {
                    options = options.weights(weights);
                }
                match p.bool("returned") {
                    true => pair(jnp::average_with(&x[0], axes(p), options.returned())),
                    false => vec![jnp::average_with(&x[0], axes(p), options)],
                }
            },
        },
        row!("numpy.trapezoid", |x, p| match p.bool("x") {
            true => jnp::trapezoid_with(&x[0], p.axis("axis"), TrapezoidOptions::new().x(&x[1])),
            false => jnp::trapezoid_with(&x[0], p.axis("axis"), TrapezoidOptions::new().dx(&x[1])),
        }),
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

/// A shape, and a dtype if there is one.
fn shape_dtype(p: &Params) -> ShapeDtype {
    match p.dtype_or_none("dtype") {
        Some(dtype) => (p.usizes("shape"), dtype).into(),
        None => p.usizes("shape").into(),
    }
}

fn like_options(p: &Params) -> LikeOptions {
    let mut options = LikeOptions::new();
    if p.has("dtype") {
        options = options.dtype(p.dtype("dtype"));
    }
    if p.has("shape") {
        options = options.shape(p.usizes("shape"));
    }
    options
}

fn eye_options(p: &Params) -> EyeOptions {
    let mut options = EyeOptions::new().k(p.int("k"));
    if p.has("M") {
        options = options.m(p.usize("M"));
    }
    if p.has("dtype") {
        options = options.dtype(p.dtype("dtype"));
    }
    options
}

fn tri_indices_options(p: &Params) -> TriIndicesOptions {
    let options = TriIndicesOptions::new().k(p.int("k"));
    if p.has("m") { options.m(p.usize("m")) } else { options }
}

fn diag_options(p: &Params) -> DiagOptions {
    DiagOptions::new().k(p.int("k"))
}

fn join_options(p: &Params) -> JoinOptions {
    let options = JoinOptions::new();
    if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options }
}

fn dot_options(p: &Params) -> DotOptions {
    DotOptions::new().preferred_element_type(p.dtype("preferred_element_type"))
}

/// A product, with `preferred_element_type` if there is one.
macro_rules! dots {
    ($($name:ident $with:ident)*) => {
        &[$(row!(concat!("numpy.", stringify!($name)), |x, p| match p.has("preferred_element_type") {
            true => jnp::$with(&x[0], &x[1], dot_options(p)),
            false => jnp::$name(&x[0], &x[1]),
        })),*]
    };
}

fn pad_mode(p: &Params) -> PadMode {
    match p.str("mode") {
        "empty" => PadMode::Empty,
        "edge" => PadMode::Edge,
        "linear_ramp" => PadMode::LinearRamp,
        "maximum" => PadMode::Maximum,
        "mean" => PadMode::Mean,
        "median" => PadMode::Median,
        "minimum" => PadMode::Minimum,
        "reflect" => PadMode::Reflect,
        "symmetric" => PadMode::Symmetric,
        "wrap" => PadMode::Wrap,
        "total" => PadMode::from(|row: &Array, (before, behind): (usize, usize), axis: usize| {
            let total = jnp::sum(row, ..).astype(row.dtype());
            let filled = row.at(..before).set(total);
            let n = row.size();
            filled.at(n - behind..).set(axis as i32)
        }),
        _ => PadMode::Constant,
    }
}

fn pad_width(p: &Params, name: &str) -> PadWidth {
    match p.get(name) {
        serde_json::Value::Number(_) => p.int(name).into(),
        serde_json::Value::Array(list) if list[0].is_number() => (p.ints(name)[0], p.ints(name)[1]).into(),
        _ => p.lists(name).iter().map(|w| (w[0], w[1])).collect::<Vec<_>>().into(),
    }
}

fn padded(x: &[Array], p: &Params) -> Array {
    let mut options = PadOptions::new().mode(pad_mode(p));
    if p.bool("constant_values") {
        options = options.constant_values(&x[1]);
    }
    if p.has("end_values") {
        let ends: Vec<i32> = p.ints("end_values").into_iter().map(|n| n as i32).collect();
        options = options.end_values(ends);
    }
    if p.has("stat_length") {
        options = options.stat_length(pad_width(p, "stat_length"));
    }
    if p.has("reflect_type") {
        let odd = p.str("reflect_type") == "odd";
        options = options.reflect_type(if odd { ReflectType::Odd } else { ReflectType::Even });
    }
    jnp::pad_with(&x[0], pad_width(p, "pad_width"), options)
}

fn linspace_options(p: &Params) -> LinspaceOptions {
    let mut options = LinspaceOptions::new().endpoint(p.bool_or("endpoint", true));
    if p.has("dtype") {
        options = options.dtype(p.dtype("dtype"));
    }
    if p.has("axis") {
        options = options.axis(p.axis("axis"));
    }
    options
}

fn repeated(x: &[Array], p: &Params) -> Array {
    let repeats = match x.get(1) {
        Some(counts) => Repeats::from(counts),
        None if p.get("repeats").is_array() => {
            let counts: Vec<i32> = p.ints("repeats").into_iter().map(|n| n as i32).collect();
            Repeats::from(Array::from(counts))
        }
        None => Repeats::from(p.usize("repeats")),
    };
    match p.has("total_repeat_length") {
        true => {
            let options = RepeatOptions::new().total_repeat_length(p.usize("total_repeat_length"));
            jnp::repeat_with(&x[0], repeats, opt_axis(p), options)
        }
        false => jnp::repeat(&x[0], repeats, opt_axis(p)),
    }
}

fn optimize(p: &Params) -> jnp::EinsumOptimize {
    match p.get("optimize") {
        serde_json::Value::Bool(false) => jnp::EinsumOptimize::LeftToRight,
        serde_json::Value::Bool(true) => jnp::EinsumOptimize::Optimal,
        serde_json::Value::String(_) => jnp::EinsumOptimize::Greedy,
        serde_json::Value::Array(_) => {
            let path =
                p.lists("optimize").into_iter().map(|step| step.into_iter().map(|i| i as usize).collect());
            jnp::EinsumOptimize::Path(path.collect())
        }
        _ => jnp::EinsumOptimize::Auto,
    }
}

pub const SHAPE: &[&[Row]] = &[
    unary_rows!("numpy." jnp: atleast_1d atleast_2d atleast_3d),
    binary_rows!("numpy." jnp: matvec vecmat array_equiv outer kron),
    dots!(matmul matmul_with dot dot_with vdot vdot_with inner inner_with),
    &[
        Row {
            name: "numpy.tril_indices",
            call: |_, p| pair(jnp::tril_indices_with(p.usize("n"), tri_indices_options(p))),
        },
        Row {
            name: "numpy.triu_indices",
            call: |_, p| pair(jnp::triu_indices_with(p.usize("n"), tri_indices_options(p))),
        },
        Row {
            name: "numpy.diag_indices",
            call: |_, p| {
                jnp::diag_indices_with(p.usize("n"), DiagIndicesOptions::new().ndim(p.usize("ndim")))
            },
        },
        row!("numpy.broadcast_shapes", |_, p| crate::rows_lax::broadcast_shapes(p, |s| {
            jnp::broadcast_shapes(s)
        })),
        row!("numpy.around", |x, p| jnp::around_with(&x[0], decimals(p))),
        row!("numpy.zeros", |_, p| jnp::zeros(shape_dtype(p))),
        row!("numpy.ones", |_, p| jnp::ones(shape_dtype(p))),
        row!("numpy.full", |x, p| jnp::full(shape_dtype(p), &x[0])),
        row!("numpy.eye", |_, p| jnp::eye_with(p.usize("N"), eye_options(p))),
        row!("numpy.tri", |_, p| jnp::tri_with(p.usize("N"), eye_options(p))),
        row!("numpy.zeros_like", |x, p| jnp::zeros_like_with(&x[0], like_options(p))),
        row!("numpy.ones_like", |x, p| jnp::ones_like_with(&x[0], like_options(p))),
        row!("numpy.arange", |_, p| {
            let options = ArangeOptions::new().step(number(p, "step"));
            let options = if p.has("dtype") { options.dtype(p.dtype("dtype")) } else { options };
            jnp::arange_with(number(p, "start")..number(p, "stop"), options)
        }),
        Row {
            name: "numpy.linspace",
            call: |x, p| match p.bool("retstep") {
                true => pair(jnp::linspace_with(&x[0], &x[1], p.usize("num"), linspace_options(p).retstep())),
                false => vec![jnp::linspace_with(&x[0], &x[1], p.usize("num"), linspace_options(p))],
            },
        },
        row!("numpy.logspace", |x, p| {
            let mut options = LogspaceOptions::new().base(&x[2]).endpoint(p.bool_or("endpoint", true));
            if p.has("dtype") {
                options = options.dtype(p.dtype("dtype"));
            }
            if p.has("axis") {
                options = options.axis(p.axis("axis"));
            }
            jnp::logspace_with(&x[0], &x[1], p.usize("num"), options)
        }),
        row!("numpy.geomspace", |x, p| {
            let mut options = GeomspaceOptions::new().endpoint(p.bool_or("endpoint", true));
            if p.has("dtype") {
                options = options.dtype(p.dtype("dtype"));
            }
            if p.has("axis") {
                options = options.axis(p.axis("axis"));
            }
            jnp::geomspace_with(&x[0], &x[1], p.usize("num"), options)
        }),
        row!("numpy.hanning", |_, p| jnp::hanning(p.usize("M"))),
        row!("numpy.hamming", |_, p| jnp::hamming(p.usize("M"))),
        row!("numpy.blackman", |_, p| jnp::blackman(p.usize("M"))),
        row!("numpy.bartlett", |_, p| jnp::bartlett(p.usize("M"))),
        row!("numpy.indices", |_, p| match p.has("dtype") {
            true => {
                jnp::indices_with(p.usizes("dimensions"), IndicesOptions::new().dtype(p.dtype("dtype")))
            }
            false => jnp::indices(p.usizes("dimensions")),
        }),
        row!("numpy.tril", |x, p| jnp::tril_with(&x[0], diag_options(p))),
        row!("numpy.triu", |x, p| jnp::triu_with(&x[0], diag_options(p))),
        row!("numpy.diag", |x, p| jnp::diag_with(&x[0], diag_options(p))),
        row!("numpy.trace", |x, p| {
            let mut options = TraceOptions::new().offset(p.int("offset"));
            if p.has("axis1") {
                options = options.axis1(p.axis("axis1")).axis2(p.axis("axis2"));
            }
            if p.has("dtype") {
                options = options.dtype(p.dtype("dtype"));
            }
            jnp::trace_with(&x[0], options)
        }),
        row!("numpy.diagonal", |x, p| jnp::diagonal_with(
            &x[0],
            DiagonalOptions::new().offset(p.int("offset")).axis1(p.axis("axis1")).axis2(p.axis("axis2"))
        )),
        Row {
            name: "numpy.meshgrid",
            call: |x, p| {
                let indexing = if p.str("indexing") == "xy" { Indexing::Xy } else { Indexing::Ij };
                jnp::meshgrid_with(x, MeshgridOptions::new().indexing(indexing).sparse(p.bool("sparse")))
            },
        },
        row!("numpy.reshape", |x, p| match p.str("order") {
            "F" => jnp::reshape_with(&x[0], p.ints("shape"), ReshapeOptions::new().order(Order::F)),
            _ => jnp::reshape(&x[0], p.ints("shape")),
        }),
        row!("numpy.permute_dims", |x, p| jnp::permute_dims(&x[0], p.ints("axes"))),
        row!("numpy.transpose", |x, p| match p.has("axes") {
            true => jnp::transpose(&x[0], p.ints("axes")),
            false => jnp::transpose(&x[0], ..),
        }),
        row!("numpy.ravel", |x, p| match p.str("order") {
            "F" => jnp::ravel_with(&x[0], ReshapeOptions::new().order(Order::F)),
            _ => jnp::ravel(&x[0]),
        }),
        row!("numpy.swapaxes", |x, p| jnp::swapaxes(&x[0], p.int("axis1"), p.int("axis2"))),
        row!("numpy.moveaxis", |x, p| jnp::moveaxis(&x[0], p.ints("source"), p.ints("destination"))),
        row!("numpy.expand_dims", |x, p| jnp::expand_dims(&x[0], axes(p))),
        row!("numpy.squeeze", |x, p| jnp::squeeze(&x[0], axes(p))),
        row!("numpy.broadcast_to", |x, p| jnp::broadcast_to(&x[0], p.usizes("shape"))),
        Row { name: "numpy.broadcast_arrays", call: |x, _| jnp::broadcast_arrays(x) },
        row!("numpy.tile", |x, p| jnp::tile(&x[0], p.usizes("reps"))),
        row!("numpy.repeat", |x, p| repeated(x, p)),
        row!("numpy.flip", |x, p| jnp::flip(&x[0], axes(p))),
        row!("numpy.roll", |x, p| jnp::roll(&x[0], p.ints("shift"), axes(p))),
        row!("numpy.rot90", |x, p| {
            let options = Rot90Options::new().k(p.int("k"));
            let options = if p.has("axes") { options.axes(p.ints("axes")) } else { options };
            jnp::rot90_with(&x[0], options)
        }),
        row!("numpy.pad", |x, p| padded(x, p)),
        row!("numpy.concatenate", |x, p| jnp::concatenate_with(x, p.axis("axis"), join_options(p))),
        row!("numpy.stack", |x, p| jnp::stack_with(x, p.axis("axis"), join_options(p))),
        row!("numpy.vstack", |x, p| jnp::vstack_with(x, join_options(p))),
        row!("numpy.hstack", |x, p| jnp::hstack_with(x, join_options(p))),
        row!("numpy.dstack", |x, p| jnp::dstack_with(x, join_options(p))),
        row!("numpy.column_stack", |x, _| jnp::column_stack(x)),
        Row { name: "numpy.split", call: |x, p| jnp::split(&x[0], sections(p), p.int("axis")) },
        Row { name: "numpy.array_split", call: |x, p| jnp::array_split(&x[0], sections(p), p.int("axis")) },
        Row { name: "numpy.hsplit", call: |x, p| jnp::hsplit(&x[0], sections(p)) },
        Row { name: "numpy.vsplit", call: |x, p| jnp::vsplit(&x[0], sections(p)) },
        row!("numpy.diagflat", |x, p| jnp::diagflat_with(&x[0], diag_options(p))),
        row!("numpy.ediff1d", |x, _| match x.get(1) {
            Some(ends) => {
                jnp::ediff1d_with(&x[0], Ediff1dOptions::new().to_begin(ends).to_end(ends))
            }
            None => jnp::ediff1d(&x[0]),
        }),
        row!("numpy.matrix_transpose", |x, _| jnp::matrix_transpose(&x[0])),
        row!("numpy.linalg.multi_dot", |x, _| linalg::multi_dot(x)),
        row!("numpy.rollaxis", |x, p| jnp::rollaxis_with(
            &x[0],
            p.axis("axis"),
            RollaxisOptions::new().start(p.int("start"))
        )),
        row!("numpy.diff", |x, p| {
            let mut options = DiffOptions::new().n(p.usize("n"));
            if p.bool("prepend") {
                options = options.prepend(&x[1]);
            }
            if p.bool("append") {
                options = options.append(x.last().unwrap());
            }
            jnp::diff_with(&x[0], p.axis("axis"), options)
        }),
        row!("numpy.append", |x, p| jnp::append(&x[0], &x[1], opt_axis(p))),
        row!("numpy.astype", |x, p| jnp::astype(&x[0], p.dtype("dtype"))),
        row!("numpy.vecdot", |x, _| jnp::vecdot(&x[0], &x[1], -1)),
        row!("numpy.cross", |x, p| match p.has("axisa") {
            true => jnp::cross_with(
                &x[0],
                &x[1],
                CrossOptions::new().axisa(p.axis("axisa")).axisb(p.axis("axisb")).axisc(p.axis("axisc"))
            ),
            false => jnp::cross(&x[0], &x[1]),
        }),
        row!("numpy.tensordot", |x, p| match p.get("axes").as_u64() {
            Some(n) => jnp::tensordot(&x[0], &x[1], n as usize),
            None => {
                let lists = p.lists("axes");
                jnp::tensordot(&x[0], &x[1], (lists[0].clone(), lists[1].clone()))
            }
        }),
        row!("numpy.einsum", |x, p| {
            jnp::einsum_with(p.str("subscripts"), x, jnp::EinsumOptions::new().optimize(optimize(p)))
        }),
        Row {
            name: "numpy.einsum_path",
            call: |x, p| {
                let options = jnp::EinsumPathOptions::new().optimize(optimize(p));
                let found = jnp::einsum_path_with(p.str("subscripts"), x, options);
                let path: Vec<i32> = found.path.iter().flatten().map(|i| *i as i32).collect();
                let costs = [found.naive_cost, found.opt_cost, found.largest_intermediate].map(|x| x as f32);
                vec![Array::from(path), Array::from(costs)]
            },
        },
        row!("numpy.linalg.matrix_power", |x, p| linalg::matrix_power(&x[0], p.int("n"))),
        row!("numpy.vander", |x, p| {
            let options = VanderOptions::new().increasing(p.bool("increasing"));
            let options = if p.has("N") { options.n(p.usize("N")) } else { options };
            jnp::vander_with(&x[0], options)
        }),
    ],
];
