"""`jax.nn`: activations, softmax and their gradients."""

import jax
from spec import arr, weak

ACTIVATIONS = """relu relu6 sigmoid softplus soft_sign silu mish log_sigmoid selu hard_tanh hard_sigmoid hard_silu
    sparse_plus sparse_sigmoid tanh""".split()

# Compositions of transcendental functions.
ULP = {f"nn.{name}": 8 for name in ACTIVATIONS + """soft_cap elu celu leaky_relu gelu squareplus glu softmax log_softmax logmeanexp logsumexp logsumexp_sign tanh standardize
    log1mexp dot_product_attention""".split()}
ULP |= {"nn.relu": 0, "nn.relu6": 0, "nn.hard_tanh": 0}

ADAPTERS = {
    # JAX has no such function; this is its definition where the name is used.
    "nn.soft_cap": lambda x, cap: cap * jax.numpy.tanh(x / cap),
    "nn.logsumexp": lambda x, *arrays, axis, keepdims=False, where=False, b=False: jax.nn.logsumexp(
        x, axis, b=arrays[-1] if b else None, keepdims=keepdims, where=arrays[0] if where else None),
    "nn.elu": lambda x, alpha: jax.nn.elu(x, alpha),
    "nn.celu": lambda x, alpha: jax.nn.celu(x, alpha),
    "nn.one_hot": lambda x, num_classes, dtype=None: jax.nn.one_hot(x, num_classes, **({} if dtype is None else {"dtype": dtype})),
    # Arrays behind the first three are what `more` says.
    "nn.dot_product_attention": lambda q, k, v, *arrays, more=(), **options: jax.nn.dot_product_attention(
        q, k, v, **dict(zip(more, arrays)), **options),
    "nn.softmax": lambda x, *where, axis: jax.nn.softmax(x, axis, *where),
    "nn.log_softmax": lambda x, *where, axis: jax.nn.log_softmax(x, axis, *where),
    "nn.logmeanexp": lambda x, *where, axis, keepdims=False: jax.nn.logmeanexp(x, axis, *where, keepdims=keepdims),
    "nn.logsumexp_sign": lambda x, *arrays, axis, keepdims=False, where=False, b=False: jax.nn.logsumexp(
        x, axis, b=arrays[-1] if b else None, keepdims=keepdims, where=arrays[0] if where else None, return_sign=True),
    "nn.standardize": lambda x, *arrays, more=(), **options: jax.nn.standardize(x, **dict(zip(more, arrays)), **options),
}


def scaled_matmul(lhs, rhs, lhs_scales, rhs_scales, preferred_element_type=jax.numpy.float32):
    """What JAX says that it computes: it does so on GPUs alone."""
    scaled = lambda x, s: x.astype("float32") * jax.numpy.repeat(s.astype("float32"), x.shape[-1] // s.shape[-1], axis=-1)
    out = jax.numpy.einsum("BMK,BNK->BMN", scaled(lhs, lhs_scales), scaled(rhs, rhs_scales))
    return out.astype(preferred_element_type)


def scaled_dot_general(lhs, rhs, *scales, dims, mode=None, preferred_element_type="float32"):
    """JAX's own, with `scaled_matmul` as above."""
    from jax._src.cudnn import scaled_matmul_stablehlo

    scaled_matmul_stablehlo._scaled_matmul = scaled_matmul
    configs = mode and [jax.nn.get_scaled_dot_general_config(mode, *scales)] * 3
    dims = tuple(tuple(map(tuple, pair)) for pair in dims)
    return jax.nn.scaled_dot_general(lhs, rhs, dims, preferred_element_type=jax.numpy.dtype(preferred_element_type), configs=configs)


ADAPTERS |= {"nn.scaled_matmul": scaled_matmul, "nn.scaled_dot_general": scaled_dot_general}


def scaled(f):
    fn = "nn.scaled_matmul"
    for of, scale in (("float8_e4m3fn", "float8_e8m0fnu"), ("float4_e2m1fn", "float8_e4m3fn"), ("float8_e5m2", "float8_e8m0fnu")):
        x, y = [arr(of, jax.numpy.linspace(-2, 3, b * n * 8).reshape(b, n, 8).tolist()) for b, n in ((2, 3), (2, 2))]
        x_scale, y_scale = [arr(scale, jax.numpy.exp2(jax.numpy.arange(b * n * 2) % 4 - 1.0).reshape(b, n, 2).tolist()) for b, n in ((2, 3), (2, 2))]
        f.case(fn, x, y, x_scale, y_scale, abs=4e-6)
        f.case(fn, x, y, x_scale, y_scale, preferred_element_type="bfloat16")
    for dtype in ("float32", "bfloat16"):
        f.case(fn, (dtype, (2, 3, 6)), (dtype, (2, 2, 6)), (dtype, (2, 3, 3)), (dtype, (2, 2, 3)), abs=1e-5)
    f.case(fn, ("int32", [[[1, 2, 3]]]), ("int32", [[[4, 5, 6]]]), arr("float32", [[[0.5]]]), arr("float32", [[[0.5]]]))
    f.case(fn, ("float32", (1, 0, 4)), ("float32", (1, 2, 4)), ("float32", (1, 0, 2)), ("float32", (1, 2, 2)))
    fn = "nn.scaled_dot_general"
    last, inner = [[[1], [1]], [[], []]], [[[2], [1]], [[0], [0]]]
    for dtype in ("float32", "bfloat16", "float16"):
        exact = dict(grad=[0, 1], abs=3e-5, grad_abs=3e-5) if dtype == "float32" else dict(abs=0.3)
        f.case(fn, (dtype, (32, 64)), (dtype, (32, 64)), dims=last, mode="mxfp8", **exact)
    one = arr("float32", [0.5])
    f.case(fn, ("float32", (3, 32)), ("float32", (2, 32)), one, dims=last, mode="nvfp4", grad=[0, 1], abs=3e-5, grad_abs=3e-5)
    f.case(fn, ("float32", (2, 3, 16)), ("float32", (2, 16, 2)), one, dims=inner, mode="nvfp4", grad=[0, 1], abs=3e-5, grad_abs=3e-5)
    f.case(fn, ("float32", (2, 32, 32)), ("float32", (2, 32, 32)), dims=inner, mode="mxfp8", grad=[0, 1], abs=3e-5, grad_abs=3e-5)
    f.case(fn, ("float32", (2, 32)), ("float32", (2, 32)), dims=last, mode="mxfp8", preferred_element_type="bfloat16")
    f.case(fn, ("float32", (2, 6)), ("float32", (3, 6)), dims=last, grad=[0, 1], abs=4e-6, grad_abs=4e-6)


def build(f):
    scaled(f)
    points = [[0.5, -0.5, 2.0], [-3.5, 7.0, 0.125]]
    corners = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 20.0, -20.0, 100.0, -100.0]
    edge = [float("inf"), float("-inf"), float("nan"), 1e-3]
    for name in ACTIVATIONS:
        fn = f"nn.{name}"
        f.case(fn, arr("float32", points), grad=True, abs=1e-7, grad_ulp=16, grad_abs=1e-6)
        f.case(fn, arr("float32", corners), grad=True, abs=1e-7, grad_ulp=16, grad_abs=1e-6)
        f.case(fn, arr("float32", edge), abs=1e-7)
        f.case(fn, arr("bfloat16", points), grad=True, abs=1e-3, grad_ulp=4, grad_abs=1e-2)
        f.case(fn, arr("float16", points), abs=1e-3)
        f.case(fn, arr("float64", points), x64=True, abs=1e-13)
        f.case(fn, ("float32", (0, 3)))
        f.case(fn, ("int32", [-2, 0, 3, 9]), error=None, abs=1e-6)
        f.case(fn, weak(0.5), abs=1e-7)
        f.case(fn, weak(2), error=None, abs=1e-7)
    for alpha in (1.0, 0.5):
        for name in ("elu", "celu"):
            f.case(f"nn.{name}", arr("float32", points), alpha=alpha, grad=True, abs=1e-7, grad_abs=1e-6)
            f.case(f"nn.{name}", arr("float32", corners), alpha=alpha, grad=True, abs=1e-7, grad_abs=1e-6)
    for slope in (0.01, 0.2):
        f.case("nn.leaky_relu", arr("float32", corners), negative_slope=slope, grad=True)
        f.case("nn.leaky_relu", arr("bfloat16", points), negative_slope=slope)
    for approximate in (True, False):
        for dtype in ("float32", "bfloat16", "float16"):
            f.case("nn.gelu", arr(dtype, points), approximate=approximate, abs=1e-6 if dtype == "float32" else 1e-2)
        f.case("nn.gelu", arr("float32", corners), approximate=approximate, grad=True, abs=1e-6, grad_abs=2e-6)
        f.case("nn.gelu", arr("int32", [1, -2]), approximate=approximate, abs=1e-6)
    f.case("nn.squareplus", arr("float32", points), b=4, grad=True, abs=1e-6, grad_abs=1e-6)
    f.case("nn.glu", ("float32", (2, 6)), axis=-1, grad=True, abs=1e-6, grad_abs=1e-6)
    f.case("nn.glu", ("float32", (4, 3)), axis=0, abs=1e-6)
    f.case("nn.glu", ("float32", (2, 5)), axis=1, error=True)
    for name in ("softmax", "log_softmax"):
        for axis in (-1, 0, [0, 1]):
            f.case(f"nn.{name}", ("float32", (2, 3)), axis=axis, grad=True, abs=1e-7, grad_abs=1e-6)
        f.case(f"nn.{name}", arr("float32", [1000.0, 1000.0, -1000.0]), axis=0, grad=True, grad_abs=1e-6)
        f.case(f"nn.{name}", arr("float32", [float("-inf"), 1.0, 2.0]), axis=0)
        f.case(f"nn.{name}", arr("float32", [float("inf"), 1.0, 2.0]), axis=0)
        f.case(f"nn.{name}", ("bfloat16", (2, 3)), axis=-1, abs=1e-2)
        f.case(f"nn.{name}", ("int32", (2, 3)), axis=-1, abs=1e-6, error=None)
        f.case(f"nn.{name}", ("float32", (2, 0)), axis=0, error=None)
        f.case(f"nn.{name}", ("float32", (2, 3)), axis=2, error=True)
        f.case(f"nn.{name}", ("float64", (2, 3)), axis=-1, x64=True, abs=1e-14)
    for axis in (-1, [0, 1]):
        f.case("nn.logmeanexp", ("float32", (2, 3)), axis=axis, grad=True, abs=1e-6, grad_abs=1e-6)
    f.case("nn.logmeanexp", arr("float32", [1000.0, 1000.0, -1000.0]), axis=0, grad=True, grad_abs=1e-6)
    f.case("nn.logmeanexp", arr("float32", [float("-inf"), float("-inf")]), axis=0)
    f.case("nn.logmeanexp", arr("float32", [float("inf"), 1.0]), axis=0)
    f.case("nn.logmeanexp", ("bfloat16", (2, 3)), axis=-1, abs=1e-2)
    f.case("nn.logmeanexp", ("int32", (2, 3)), axis=-1, abs=1e-6)
    f.case("nn.logmeanexp", ("float32", (2, 3)), axis=2, error=True)
    f.case("nn.standardize", ("float32", (2, 5)), axis=-1, abs=1e-5, grad=True, grad_abs=1e-4)
    f.case("nn.standardize", ("float32", (4, 3)), axis=0, abs=1e-5)
    for dtype in ("int32", "uint8", "float32"):
        f.case("nn.one_hot", arr(dtype, [0, 2, 5]), num_classes=4)
    f.case("nn.one_hot", arr("int32", [[0, -1], [1, 2]]), num_classes=3, dtype="int32")
    f.case("nn.one_hot", arr("int32", 1), num_classes=3)
    f.case("nn.one_hot", ("int32", (0,)), num_classes=3)
    f.case("nn.log1mexp", arr("float32", [0.1, 0.5, 1.0, 5.0, 50.0]), abs=1e-7, grad=True, grad_ulp=8)
    for causal in (False, True):
        f.case("nn.dot_product_attention", ("float32", (1, 4, 2, 3)), ("float32", (1, 4, 2, 3)), ("float32", (1, 4, 2, 3)),
               is_causal=causal, abs=2e-6, grad=True, grad_abs=5e-6)
        f.case("nn.dot_product_attention", ("float32", (2, 3, 4, 2)), ("float32", (2, 5, 2, 2)), ("float32", (2, 5, 2, 2)),
               is_causal=causal, abs=2e-6)
    for dtype in ("float32", "bfloat16", "float16"):
        f.case("nn.soft_cap", arr(dtype, points), cap=2.5, grad=dtype == "float32", abs=1e-6)
    f.case("nn.soft_cap", arr("float32", corners), cap=30.0, grad=True, abs=1e-6, grad_abs=1e-6)
    f.case("nn.soft_cap", arr("int32", [1, -20]), cap=5.0, abs=1e-6)
    f.case("nn.soft_cap", weak(0.5), cap=5.0, abs=1e-6)
    f.case("nn.logsumexp", ("float32", (2, 3)), axis=[0, 1], keepdims=True)
    f.case("nn.logsumexp", arr("float32", [-float("inf"), -float("inf")]), axis=0)
    f.case("nn.logsumexp", arr("float32", [1000.0, 1000.0]), axis=0, grad=True)
    f.case("nn.logsumexp", arr("float32", [float("inf"), 1.0]), axis=0)
    f.case("nn.logsumexp", ("int32", (3,)), axis=0)
    f.case("nn.logsumexp", ("bfloat16", (2, 3)), axis=1)
    for axis in (None, 1):
        f.case("nn.logsumexp", ("float32", (2, 3)), axis=axis, grad=True, grad_ulp=16, abs=1e-6)
    mask = arr("bool", [[True, False, True], [False, False, True]])
    f.case("nn.logsumexp", ("float32", (2, 3)), mask, axis=1, where=True, abs=1e-6, grad=True, grad_ulp=16)
    f.case("nn.logsumexp", ("float32", (2, 3)), arr("float32", [1.0, 0.0, 2.5]), axis=1, b=True, abs=1e-6, grad=[0], grad_ulp=16)
    f.case("nn.logsumexp", ("float32", (2, 3)), arr("float32", [1.0, -9.0, 2.5]), axis=0, b=True, keepdims=True, abs=1e-6)
    masked(f, mask)
    attention(f)


def masked(f, mask):
    """`where` of softmax and its like, signs of sums."""
    hidden = arr("float32", [[1.0, float("nan"), 2.0], [float("inf"), 1000.0, 0.5]])
    none = arr("bool", [[False, False, False], [True, False, True]])
    for name in ("softmax", "log_softmax", "logmeanexp"):
        fn = f"nn.{name}"
        for axis in (-1, 0, [0, 1]):
            f.case(fn, ("float32", (2, 3)), mask, axis=axis, abs=1e-6, grad=[0], grad_ulp=16, grad_abs=1e-6)
        f.case(fn, hidden, mask, axis=1, abs=1e-6, grad=[0], grad_ulp=16, grad_abs=1e-6)
        f.case(fn, ("float32", (2, 3)), none, axis=1, abs=1e-6)
        f.case(fn, ("float32", (2, 3)), arr("bool", [True, False, True]), axis=0, abs=1e-6)
        f.case(fn, ("bfloat16", (2, 3)), mask, axis=-1, abs=1e-2)
        f.case(fn, ("float32", (2, 3)), arr("float32", [1.0, 0.0, 1.0]), axis=-1, error=True)
        f.case(fn, ("float32", (2, 3)), arr("bool", [True, False]), axis=-1, error=True)
    for keep in (False, True):
        f.case("nn.logmeanexp", ("float32", (2, 3)), axis=1, keepdims=keep, abs=1e-6)
        f.case("nn.logmeanexp", ("float32", (2, 3)), mask, axis=1, keepdims=keep, abs=1e-6)
        f.case("nn.logsumexp_sign", ("float32", (2, 3)), axis=1, keepdims=keep, abs=1e-6, grad=True, grad_ulp=16)
        f.case("nn.logsumexp_sign", ("float32", (2, 3)), arr("float32", [1.0, -9.0, 0.0]), axis=0, b=True, keepdims=keep,
               abs=1e-6, grad=True, grad_ulp=16, grad_abs=1e-6)
    f.case("nn.logsumexp_sign", ("float32", (2, 3)), mask, arr("float32", [1.0, -9.0, 2.5]), axis=1, b=True, where=True,
           abs=1e-6, grad=[0, 2], grad_ulp=16, grad_abs=1e-6)
    f.case("nn.logsumexp_sign", arr("float32", [1.0, 1.0]), arr("float32", [1.0, -1.0]), axis=0, b=True)
    f.case("nn.logsumexp_sign", arr("float32", [float("-inf"), float("-inf")]), axis=0)
    f.case("nn.logsumexp_sign", ("int32", (3,)), axis=0, abs=1e-6)
    f.case("nn.logsumexp_sign", ("complex64", (2, 3)), axis=1, abs=2e-5)
    f.case("nn.logsumexp", ("complex64", (2, 3)), axis=1, abs=2e-5)
    f.case("nn.logsumexp", ("complex64", (2, 3)), mask, axis=1, where=True, abs=2e-5)
    f.case("nn.logsumexp", hidden, mask, axis=1, where=True, abs=1e-6, grad=[0], grad_ulp=16)
    f.case("nn.logsumexp", ("float32", (2, 3)), mask, ("float32", (2, 3)), axis=1, where=True, b=True, abs=1e-6)
    f.case("nn.logsumexp", ("float32", (2, 3)), axis=1, keepdims=True, abs=1e-6)
    f.case("nn.logsumexp", ("float32", (2, 3)), arr("int32", [1, 0, 1]), axis=-1, where=True, error=True)
    x = ("float32", (2, 3))
    for algorithm in ("fast", "stable"):
        f.case("nn.standardize", x, arr("bool", [[True, False, True], [False, True, True]]), axis=1, more=["where"], algorithm=algorithm, abs=1e-5, grad=[0], grad_abs=1e-4)
    f.case("nn.standardize", x, ("float32", (3,)), axis=0, more=["mean"], abs=1e-5)
    f.case("nn.standardize", x, ("float32", (3,)), arr("float32", [0.5, 1.0, 2.0]), axis=0, more=["mean", "variance"],
           epsilon=0.25, abs=1e-5)
    f.case("nn.standardize", x, arr("float32", [1.0, 0.0, 1.0]), axis=0, more=["where"], error=True)


def attention(f):
    def case(shapes, arrays=(), dtype="float32", **options):
        named = dict(arrays)
        f.case("nn.dot_product_attention", *((dtype, shape) for shape in shapes), *named.values(), more=list(named), **options)

    small = [(2, 4, 2, 3), (2, 5, 2, 3), (2, 5, 2, 3)]
    grouped = [(2, 4, 6, 3), (2, 5, 2, 3), (2, 5, 2, 3)]
    exact = dict(abs=2e-6, grad=[0, 1, 2], grad_abs=5e-6)
    queries, keys = ("query_seq_lengths", arr("int32", [2, 4])), ("key_value_seq_lengths", arr("int32", [5, 1]))
    for window in (0, 1, [2, 0], [0, 3]):
        case(small, local_window_size=window, **exact)
    case(small, local_window_size=[1, 2], is_causal=True, **exact)
    case(small, [queries], **exact)
    case(small, [keys], **exact)
    case(small, [queries, keys], is_causal=True, **exact)
    case(grouped, [queries, keys], local_window_size=2, **exact)
    for shapes, rows in ((small, (2, 2, 4, 5)), (small, (1, 1, 4, 5)), (grouped, (2, 6, 4, 5)), (grouped, (2, 1, 1, 5))):
        case(shapes, [("mask", ("bool", rows))], **exact)
        case(shapes, [("bias", ("float32", rows))], **exact)
    case(small, [("bias", ("float32", (2, 4, 5))), ("mask", ("bool", (4, 5)))], scale=0.5, **exact)
    case([s[1:] for s in grouped], is_causal=True, **exact)
    case(small, [queries, keys], dtype="bfloat16", abs=2e-2)
    case(small, dtype="float16", abs=2e-3)
    case(grouped, return_residual=True, abs=2e-6, grad=[0, 1, 2], grad_abs=5e-6)
    case([s[1:] for s in small], return_residual=True, is_causal=True, abs=2e-6)
    case(small, [keys], dtype="bfloat16", return_residual=True, abs=2e-2)
    case(small, [("query_seq_lengths", arr("int32", [2]))], error=True)
    case(small, [("key_value_seq_lengths", arr("float32", [2.0, 3.0]))], error=True)
    case(small, [("mask", ("float32", (2, 2, 4, 5)))], error=True)
    case(small, [("mask", ("bool", (2, 2, 4, 4)))], error=True)
    case([(2, 4, 3, 3), (2, 5, 2, 3), (2, 5, 2, 3)], error=True)
    case([(2, 4, 2, 3), (2, 5, 2, 2), (2, 5, 2, 2)], error=True)
    case([(2, 4, 2, 3), (2, 5, 2, 3), (2, 6, 2, 3)], error=True)
