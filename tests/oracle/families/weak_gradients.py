"""Derivatives by numbers, which are weakly typed: so are the derivatives, wherever JAX's are."""

from families import union
from families.lax_elementwise import INEXACT
from spec import arr, weak

ADAPTERS = union("ADAPTERS")
ULP = union("ULP")

UNARY = INEXACT + "neg abs sign square floor ceil erf erfc erf_inv lgamma digamma".split()
NUMPY = "sinc log2 log10 reciprocal deg2rad fabs positive trunc rint nan_to_num".split()


def build(f):
    near = dict(grad=True, abs=1e-6, grad_abs=4e-6)
    for name in UNARY:
        f.case(f"lax.{name}", weak(1.5 if name == "acosh" else 0.5), **near)
    for name in "bessel_i0e bessel_i1e reciprocal copy stop_gradient".split():
        f.case(f"lax.{name}", weak(0.5), **near)
    for y in (0, 1, 2, 3, -1):
        f.case("lax.integer_pow", weak(0.5), y=y, **near)
    for name in "add sub mul div max min rem pow atan2 igamma igammac".split():
        f.case(f"lax.{name}", weak(0.5), weak(2.0), **near)
        f.case(f"lax.{name}", weak(0.5), arr("float32", 2.0), **near)
    f.case("lax.clamp", weak(0.0), weak(0.5), weak(1.0), **near)
    f.case("lax.select", ("bool", ()), weak(0.5), weak(2.0), **near)
    f.case("lax.broadcast", weak(0.5), sizes=[2], **near)
    for name in NUMPY:
        f.case(f"numpy.{name}", weak(0.5), **near)
    for name in "add multiply true_divide maximum minimum hypot logaddexp arctan2 float_power".split():
        f.case(f"numpy.{name}", weak(0.5), weak(2.0), **near)
        f.case(f"numpy.{name}", weak(0.5), ("float32", (2,)), **near)
    for name in "relu silu softplus sigmoid".split():
        f.case(f"nn.{name}", weak(0.5), **near)
