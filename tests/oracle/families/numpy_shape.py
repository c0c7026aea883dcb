"""`jax.numpy`: creation, shapes, joining and splitting, contractions."""

import jax.numpy as jnp
from spec import arr, weak

ULP = {f"numpy.{name}": 4 for name in "linspace logspace geomspace dot matmul vdot inner tensordot einsum trace kron outer cross vander hanning hamming blackman bartlett linalg.matrix_power vecdot".split()}


def total(row, width, axis, _):
    """Along each axis the sum in front, and the axis' number behind."""
    return row.at[:width[0]].set(row.sum().astype(row.dtype)).at[row.shape[0] - width[1]:].set(axis)


def pad(x, *values, pad_width, mode="constant", **params):
    mode = {"total": total, "short": lambda row, *_: row[1:]}.get(mode, mode)
    if params.get("constant_values"):
        params["constant_values"] = values[0]
    return jnp.pad(x, pad_width, mode, **params)


def diff(x, *edges, n, axis, prepend=False, append=False):
    edges = list(edges)
    return jnp.diff(x, n, axis, prepend=edges[0] if prepend else None, append=edges[-1] if append else None)


def einsum_path(*xs, subscripts, optimize="auto"):
    path, info = jnp.einsum_path(subscripts, *xs, optimize=list(optimize) if isinstance(optimize, tuple) else optimize)
    costs = [float(info.naive_cost), float(info.opt_cost), float(info.largest_intermediate)]
    return jnp.array([i for step in path for i in step], jnp.int32), jnp.array(costs, jnp.float32)


ADAPTERS = {
    "numpy.linalg.multi_dot": lambda *xs: jnp.linalg.multi_dot(xs),
    "numpy.hsplit": lambda x, sections: jnp.hsplit(x, sections),
    "numpy.vsplit": lambda x, sections: jnp.vsplit(x, sections),
    "numpy.broadcast_shapes": lambda shapes: jnp.array(jnp.broadcast_shapes(*shapes), jnp.int32),
    **{f"numpy.{name}": (lambda fn: lambda *xs, **p: fn(xs, **p))(getattr(jnp, name))
       for name in "concatenate stack vstack hstack dstack column_stack".split()},
    "numpy.broadcast_arrays": lambda *xs: jnp.broadcast_arrays(*xs),
    "numpy.einsum": lambda *xs, subscripts, optimize="auto": jnp.einsum(subscripts, *xs, optimize=list(optimize) if isinstance(optimize, tuple) else optimize),
    "numpy.einsum_path": einsum_path,
    "numpy.meshgrid": lambda *xs, indexing, sparse=False: jnp.meshgrid(*xs, indexing=indexing, sparse=sparse),
    "numpy.expand_dims": lambda x, axis: jnp.expand_dims(x, axis),
    "numpy.reshape": lambda x, shape, order="C": jnp.reshape(x, shape, order),
    "numpy.astype": lambda x, dtype: jnp.asarray(x).astype(dtype),
    "numpy.zeros": lambda shape, dtype=None: jnp.zeros(shape, dtype),
    "numpy.ones": lambda shape, dtype=None: jnp.ones(shape, dtype),
    "numpy.full": lambda v, shape, dtype=None: jnp.full(shape, v, dtype),
    "numpy.linspace": lambda a, b, num, **p: jnp.linspace(a, b, num, **p),
    "numpy.logspace": lambda a, b, base, num, **p: jnp.logspace(a, b, num, base=base, **p),
    "numpy.geomspace": lambda a, b, num, **p: jnp.geomspace(a, b, num, **p),
    "numpy.split": lambda x, sections, axis: jnp.split(x, sections, axis),
    "numpy.array_split": lambda x, sections, axis: jnp.array_split(x, sections, axis),
    "numpy.pad": pad,
    "numpy.append": lambda x, v, axis=None: jnp.append(x, v, axis),
    "numpy.indices": lambda dimensions, dtype=None: jnp.indices(dimensions, dtype),
    "numpy.linalg.matrix_power": lambda x, n: jnp.linalg.matrix_power(x, n),
    "numpy.permute_dims": lambda x, axes: jnp.transpose(x, axes),
    "numpy.diff": diff,
    "numpy.repeat": lambda x, *counts, repeats=None, axis=None, **p: jnp.repeat(x, counts[0] if counts else jnp.array(repeats), axis, **p),
    "numpy.ediff1d": lambda x, *ends: jnp.ediff1d(x, *ends, *ends),
}


def build(f):
    dtypes = ["float32", "bfloat16", "int32", "uint8", "bool"]
    for dtype in (None, "float32", "int32", "bfloat16", "bool", "uint8"):
        f.case("numpy.zeros", shape=[2, 3], dtype=dtype)
        f.case("numpy.ones", shape=[0, 3], dtype=dtype)
        f.case("numpy.ones", shape=[2], dtype=dtype)
        f.case("numpy.full", weak(3.5), shape=[2, 2], dtype=dtype)
        f.case("numpy.eye", N=3, M=4, k=1, dtype=dtype)
        f.case("numpy.tri", N=3, M=4, k=-1, dtype=dtype)
    f.case("numpy.zeros", shape=[2], x64=True)
    f.case("numpy.full", ("int32", (3,)), shape=[2, 3])
    f.case("numpy.full", weak(2), shape=[])
    f.case("numpy.full", ("int32", (3,)), shape=[2, 4], error=True)
    f.case("numpy.eye", N=3, M=None, k=-1)
    for name in ("zeros_like", "ones_like"):
        for dtype in dtypes:
            f.case(f"numpy.{name}", (dtype, (2, 3)))
        f.case(f"numpy.{name}", weak(2.0))
        f.case(f"numpy.{name}", ("float32", (2,)), dtype="int32")
    for start, stop, step in [(0, 5, 1), (2, 9, 3), (5, 0, -2), (0.0, 1.0, 0.25), (1, 2, 0.3), (0, 0, 1), (3, 1, 1), (-1.5, 4, 1)]:
        f.case("numpy.arange", start=start, stop=stop, step=step)
        f.case("numpy.arange", start=start, stop=stop, step=step, dtype="float32")
    f.case("numpy.arange", start=0, stop=4, step=1, dtype="int8")
    f.case("numpy.arange", start=0, stop=3, step=1, x64=True)
    for num in (0, 1, 2, 5, 50):
        f.case("numpy.linspace", weak(0.0), weak(1.0), num=num)
        f.case("numpy.linspace", weak(-3), weak(7), num=num, endpoint=False, error=None, abs=1e-6)
    f.case("numpy.linspace", ("float32", (3,)), ("float32", (2, 1)), num=4, abs=1e-6)
    f.case("numpy.linspace", arr("bfloat16", 0.0), arr("bfloat16", 1.0), num=7)
    f.case("numpy.logspace", weak(0.0), weak(2.0), weak(10.0), num=5, ulp=16)
    f.case("numpy.geomspace", weak(1.0), weak(1000.0), num=4, ulp=16)
    for name in ("hanning", "hamming", "blackman", "bartlett"):
        for n in (0, 1, 2, 8):
            f.case(f"numpy.{name}", M=n, abs=5e-7)
    f.case("numpy.indices", dimensions=[2, 3])
    for k in (-2, -1, 0, 1, 3):
        for dtype in dtypes:
            f.case("numpy.tril", (dtype, (3, 4)), k=k)
            f.case("numpy.triu", (dtype, (2, 3, 3)), k=k)
        f.case("numpy.diag", ("float32", (3,)), k=k)
        f.case("numpy.diag", ("float32", (3, 4)), k=k)
        f.case("numpy.trace", ("float32", (3, 4)), offset=k, abs=1e-6)
        f.case("numpy.diagonal", ("int32", (2, 3, 4)), offset=k, axis1=0, axis2=2)
    f.case("numpy.diag", ("bool", (3,)), k=1)
    f.case("numpy.diag", ("float32", (3, 3)), k=1, grad=True)
    f.case("numpy.diag", ("float32", (3,)), k=1, grad=True)
    f.case("numpy.tril", ("float32", (3, 3)), k=0, grad=True)
    f.case("numpy.tril", ("float32", (3,)), k=0, error=True)
    f.case("numpy.meshgrid", ("float32", (2,)), ("int32", (3,)), indexing="xy")
    f.case("numpy.meshgrid", ("float32", (2,)), ("int32", (3,)), ("float32", (1,)), indexing="ij")
    for dtype in dtypes:
        f.case("numpy.reshape", (dtype, (2, 6)), shape=[3, -1])
        f.case("numpy.ravel", (dtype, (2, 3)))
        f.case("numpy.transpose", (dtype, (2, 3, 4)))
        f.case("numpy.swapaxes", (dtype, (2, 3, 4)), axis1=0, axis2=-1)
        f.case("numpy.moveaxis", (dtype, (2, 3, 4)), source=[0, 1], destination=[-1, 0])
        f.case("numpy.expand_dims", (dtype, (2, 3)), axis=[0, -1])
        f.case("numpy.squeeze", (dtype, (1, 3, 1)), axis=None)
        f.case("numpy.squeeze", (dtype, (1, 3, 1)), axis=-1)
        f.case("numpy.broadcast_to", (dtype, (3, 1)), shape=[2, 3, 4])
        f.case("numpy.tile", (dtype, (2, 3)), reps=[2, 1, 2])
        f.case("numpy.tile", (dtype, (2, 3)), reps=[2])
        f.case("numpy.repeat", (dtype, (2, 3)), repeats=2, axis=1)
        f.case("numpy.repeat", (dtype, (2, 3)), repeats=3, axis=None)
        f.case("numpy.flip", (dtype, (2, 3)), axis=None)
        f.case("numpy.flip", (dtype, (2, 3)), axis=-1)
        f.case("numpy.roll", (dtype, (2, 5)), shift=2, axis=1)
        f.case("numpy.roll", (dtype, (2, 5)), shift=-3, axis=None)
        for k in (0, 1, 2, 3):
            f.case("numpy.rot90", (dtype, (2, 3)), k=k)
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap"):
            f.case("numpy.pad", (dtype, (3, 4)), pad_width=[[1, 2], [3, 1]], mode=mode)
            f.case("numpy.pad", (dtype, (3,)), pad_width=[[5, 4]], mode=mode)
        f.case("numpy.concatenate", (dtype, (2, 3)), ("int32", (1, 3)), axis=0)
        f.case("numpy.stack", (dtype, (2, 3)), ("float32", (2, 3)), axis=-1)
        for name in ("vstack", "hstack", "dstack", "column_stack"):
            f.case(f"numpy.{name}", (dtype, (3,)), (dtype, (3,)))
            f.case(f"numpy.{name}", (dtype, (2, 2)), (dtype, (2, 2)))
        f.case("numpy.split", (dtype, (6, 2)), sections=3, axis=0)
        f.case("numpy.array_split", (dtype, (7,)), sections=3, axis=0)
        f.case("numpy.diff", (dtype, (6,)), n=1, axis=0)
        f.case("numpy.astype", (dtype, (3,)), dtype="float32")
        f.case("numpy.astype", (dtype, (3,)), dtype="int8")
        for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
            f.case(f"numpy.{name}", (dtype, ()))
            f.case(f"numpy.{name}", (dtype, (2,)))
            f.case(f"numpy.{name}", (dtype, (2, 3)))
    for name, params in [("reshape", dict(shape=[3, 2])), ("swapaxes", dict(axis1=0, axis2=1)), ("tile", dict(reps=[2, 2])),
                         ("repeat", dict(repeats=2, axis=0)), ("roll", dict(shift=1, axis=1)), ("flip", dict(axis=0)),
                         ("pad", dict(pad_width=[[1, 2], [3, 1]], mode="wrap")), ("diff", dict(n=2, axis=1)),
                         ("broadcast_to", dict(shape=[2, 2, 3]))]:
        f.case(f"numpy.{name}", ("float32", (2, 3)), grad=True, **params)
    f.case("numpy.concatenate", ("float32", (2, 3)), ("bfloat16", (1, 3)), axis=0, grad=True)
    f.case("numpy.stack", ("float32", (2, 3)), ("float32", (2, 3)), axis=1, grad=True)
    f.case("numpy.split", ("float32", (5,)), sections=[1, 3], axis=0)
    f.case("numpy.split", ("float32", (5,)), sections=2, axis=0, error=True)
    f.case("numpy.append", ("float32", (2, 2)), ("int32", (3,)), axis=None)
    f.case("numpy.broadcast_arrays", ("float32", (3,)), ("int32", (2, 1)))
    f.case("numpy.reshape", ("float32", (2, 3)), shape=[4], error=True)
    f.case("numpy.reshape", ("float32", (2, 3)), shape=[-1, -1], error=True)
    f.case("numpy.reshape", ("float32", (2, 3)), shape=[-1, 4], error=True)
    f.case("numpy.reshape", ("float32", (0, 3)), shape=[-1, 3])
    f.case("numpy.expand_dims", ("float32", (2, 3)), axis=5, error=True)
    f.case("numpy.squeeze", ("float32", (2, 3)), axis=0, error=True)
    f.case("numpy.broadcast_to", ("float32", (2, 3)), shape=[3, 3], error=True)
    f.case("numpy.stack", ("float32", (2, 3)), ("float32", (3, 2)), axis=0, error=True)
    f.case("numpy.concatenate", ("float32", (2, 3)), ("float32", (2, 3, 1)), axis=0, error=True)
    f.case("numpy.swapaxes", ("float32", (2, 3)), axis1=0, axis2=2, error=True)
    f.case("numpy.permute_dims", ("float32", (2, 3, 4)), axes=[1, -1, 0])
    for a, b in [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)),
                 ((5, 1, 2, 3), (4, 3, 2)), ((2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((1, 2, 3), (5, 3, 2)), ((2, 0), (0, 3))]:
        f.case("numpy.matmul", ("float32", a), ("float32", b), abs=2e-6, grad=True, grad_abs=2e-6)
        f.case("numpy.matmul", ("int32", a), ("int8", b))
    f.case("numpy.matmul", ("float32", (2, 3)), ("float32", (2, 3)), error=True)
    f.case("numpy.matmul", ("float32", (2, 3)), ("float32", ()), error=True)
    f.case("numpy.matmul", ("float32", (2, 2, 3)), ("float32", (3, 3, 2)), error=True)
    for a, b in [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (4, 3, 2)), ((), (3,)), ((2, 3), ())]:
        f.case("numpy.dot", ("float32", a), ("float32", b), abs=2e-6, grad=True, grad_abs=2e-6)
        f.case("numpy.dot", ("bfloat16", a), ("float32", b), abs=2e-6)
        f.case("numpy.dot", weak(2.0, a), weak(3, b))
    f.case("numpy.vdot", ("complex64", (2, 3)), ("complex64", (6,)), abs=2e-6)
    f.case("numpy.inner", ("float32", (2, 3)), ("float32", (4, 3)), abs=2e-6)
    f.case("numpy.outer", ("float32", (2, 2)), ("int32", (3,)))
    f.case("numpy.vecdot", ("float32", (2, 3)), ("float32", (3,)), abs=2e-6)
    f.case("numpy.tensordot", ("float32", (2, 3, 4)), ("float32", (3, 4, 2)), axes=2, abs=2e-6)
    f.case("numpy.tensordot", ("float32", (2, 3, 4)), ("float32", (4, 2)), axes=[[2, 0], [0, 1]], abs=2e-6)
    f.case("numpy.kron", ("float32", (2, 3)), ("float32", (2, 2)))
    f.case("numpy.kron", ("float32", (2,)), ("float32", (2, 2)))
    f.case("numpy.cross", ("float32", (2, 3)), ("float32", (3,)), abs=1e-6)
    f.case("numpy.linalg.matrix_power", ("float32", (3, 3)), n=5, ulp=16, abs=1e-4)
    f.case("numpy.linalg.matrix_power", ("float32", (3, 3)), n=0)
    f.case("numpy.vander", ("float32", (3,)), N=4, increasing=False)
    f.case("numpy.vander", ("float32", (3,)), N=None, increasing=True)
    for subscripts, *shapes in [("ij,jk->ik", (2, 3), (3, 4)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)),
                                ("i,j->ij", (2,), (3,)), ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)), ("ij,ij->i", (2, 3), (2, 3)),
                                ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("ba", (2, 3)),
                                ("i...->...", (2, 3, 4)), ("ij,kj->ik", (2, 3), (4, 3)), ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
                                ("ijj->i", (2, 3, 3)), ("i,i", (3,), (3,)), ("...,...", (2, 3), (3,)), ("ij,jk", (2, 3), (3, 4))]:
        f.case("numpy.einsum", *[("float32", s) for s in shapes], subscripts=subscripts, abs=4e-6, grad=True, grad_abs=4e-6)
    f.case("numpy.einsum", ("int32", (2, 3)), ("float32", (3,)), subscripts="ij,j->i", abs=4e-6)
    long = ("ij,jk,kl->il", (2, 5), (5, 3), (3, 2)), ("ab,bc,cd,de->ae", (2, 3), (3, 20), (20, 2), (2, 4)), (
        "ab,ab,c->", (2, 3), (2, 3), (4,)), ("ij,jk,kl,lm,mn->in", (2, 3), (3, 4), (4, 2), (2, 5), (5, 2)), (
        "i,j,k,ijk->", (2,), (3,), (4,), (2, 3, 4)), ("...i,ij,...j->...", (2, 3), (3, 4), (2, 4)), ("iij,jk,kl->l", (3, 3, 2), (2, 4), (4, 2)), (
        "ab,bc,cd,de,ef,fg,ga->", (2, 3), (3, 2), (2, 4), (4, 2), (2, 3), (3, 2), (2, 2)), (
        "a,b,c,d,e,f,g,h,i,a,b,c,d,e,f,g,h,i->", *[(2,)] * 9, *[(2,)] * 9), ("ab,bc,cd,de,ef,fg,gh,hi,ij->aj", *[(2, 2)] * 9)
    for subscripts, *shapes in long:
        f.case("numpy.einsum", *[("float32", s) for s in shapes], subscripts=subscripts, abs=1e-4)
        f.case("numpy.einsum_path", *[("float32", s) for s in shapes], subscripts=subscripts)
    for optimize in (False, True, "greedy", [[1, 2], [0, 1]]):
        shapes = (2, 5), (5, 3), (3, 7)
        f.case("numpy.einsum", *[("float32", s) for s in shapes], subscripts="ij,jk,kl->il", optimize=optimize, abs=1e-4)
        f.case("numpy.einsum_path", *[("float32", s) for s in shapes], subscripts="ij,jk,kl->il", optimize=optimize)
    f.case("numpy.einsum_path", ("float32", (2, 3)), subscripts="ij->j")
    f.case("numpy.einsum_path", ("float32", (2, 3)), ("float32", (2, 3)), subscripts="ij,jk", error=True)
    f.case("numpy.einsum", *[("float32", (2, 2))] * 3, subscripts="ij,jk,kl->il", optimize=[[0, 1, 2]], error=True)
    f.case("numpy.einsum", ("float32", (2, 3)), ("float32", (2, 3)), subscripts="ij,jk", error=True)
    for a, b in (((2, 3), (3,)), ((5, 2, 3), (3,)), ((2, 3), (4, 3)), ((5, 1, 2, 3), (4, 3)), ((0, 3), (3,))):
        f.case("numpy.matvec", ("float32", a), ("float32", b), grad=True, abs=2e-6)
        f.case("numpy.vecmat", ("float32", b), ("float32", a[:-2] + a[:-3:-1]), grad=True, abs=2e-6)
    f.case("numpy.matvec", ("complex64", (2, 3)), ("complex64", (3,)), abs=4e-6)
    f.case("numpy.vecmat", ("complex64", (2,)), ("complex64", (2, 3)), abs=4e-6)
    f.case("numpy.matvec", ("int32", (2, 3)), ("float32", (3,)), abs=4e-6)
    f.case("numpy.matvec", ("float32", (3,)), ("float32", (3,)), error=True)
    f.case("numpy.vecmat", ("float32", (2,)), ("float32", (3, 2)), error=True)
    for k, m in ((0, None), (1, None), (-1, None), (0, 5), (2, 2), (-7, None), (7, 3)):
        f.case("numpy.tril_indices", n=3, k=k, m=m)
        f.case("numpy.triu_indices", n=3, k=k, m=m)
    f.case("numpy.tril_indices", n=0, k=0, m=None)
    f.case("numpy.triu_indices", n=2, k=0, m=None, x64=True)
    f.case("numpy.diag_indices", n=3, ndim=2)
    f.case("numpy.diag_indices", n=0, ndim=3)
    f.case("numpy.diag_indices", n=2, ndim=1, x64=True)
    f.case("numpy.array_equiv", arr("float32", [1.0, 2.0]), arr("float32", [[1.0, 2.0], [1.0, 2.0]]))
    f.case("numpy.array_equiv", arr("float32", [1.0, 2.0]), arr("int32", [[1, 2], [1, 3]]))
    # For shapes that do not broadcast raxla gives false, as JAX documents; JAX 0.10.2 fails.
    f.case("numpy.array_equiv", ("float32", (0,)), ("float32", (1,)))
    f.case("numpy.around", arr("float32", [0.125, 2.5, -1.25, 1e10]), decimals=1)
    for shapes in ([[3, 1], [4]], [[0], [1]], [[2, 3]]):
        f.case("numpy.broadcast_shapes", shapes=shapes)
    added(f)


def added(f):
    for dtype in ("float32", "int32", "bool"):
        grad = dtype == "float32"
        for k in (0, 1, -2):
            f.case("numpy.diagflat", (dtype, (2, 2)), k=k, grad=grad)
        f.case("numpy.diagflat", (dtype, ()), k=1)
        f.case("numpy.ediff1d", (dtype, (2, 3)), error=None, grad=grad)
        f.case("numpy.hsplit", (dtype, (2, 6)), sections=3, grad=grad)
        f.case("numpy.vsplit", (dtype, (6, 2)), sections=[1, 4], grad=grad)
        f.case("numpy.matrix_transpose", (dtype, (2, 3, 4)), grad=grad)
        for axis, start in ((0, 3), (2, 0), (-1, 1), (1, -1)):
            f.case("numpy.rollaxis", (dtype, (2, 3, 4)), axis=axis, start=start, grad=grad)
    f.case("numpy.ediff1d", ("float32", (1,)))
    f.case("numpy.ediff1d", ("float32", ()), error=None)
    f.case("numpy.hsplit", ("float32", (6,)), sections=2)
    f.case("numpy.hsplit", ("float32", (2, 5)), sections=2, error=True)
    f.case("numpy.vsplit", ("float32", (5, 2)), sections=2, error=True)
    f.case("numpy.matrix_transpose", ("float32", (3,)), error=True)
    f.case("numpy.rollaxis", ("float32", (2, 3)), axis=2, start=0, error=True)
    f.case("numpy.rollaxis", ("float32", (2, 3)), axis=0, start=3, error=True)
    f.case("numpy.linalg.multi_dot", ("float32", (2, 3)), ("float32", (3, 4)), grad=True, ulp=4, abs=2e-6, grad_abs=2e-6)
    f.case("numpy.linalg.multi_dot", ("float32", (10, 3)), ("float32", (3, 20)), ("float32", (20, 2)), ulp=4, abs=2e-5, grad=True, grad_abs=1e-4)
    f.case("numpy.linalg.multi_dot", ("float32", (3,)), ("float32", (3, 4)), ("float32", (4,)), ulp=4, abs=1e-5, grad=True, grad_abs=1e-5)
    f.case("numpy.linalg.multi_dot", ("int32", (2, 3)), ("int32", (3, 4)), ("int32", (4, 2)))
    f.case("numpy.linalg.multi_dot", ("float32", (2, 3)), ("float32", (2, 3)), error=True)
    # Options of functions above.
    f.case("numpy.zeros_like", ("int8", (2, 3)), dtype="float32", shape=[4])
    f.case("numpy.ones_like", ("int8", (2, 3)), shape=[])
    for endpoint in (True, False):
        f.case("numpy.linspace", ("float32", (3,)), ("float32", (2, 1)), num=4, axis=1, endpoint=endpoint, abs=1e-6)
        f.case("numpy.linspace", ("float32", (3,)), ("float32", (3,)), num=4, axis=-1, endpoint=endpoint, abs=1e-6, grad=True, grad_abs=1e-6)
        for num in (0, 1, 2, 5):
            f.case("numpy.linspace", weak(-3), weak(7), num=num, endpoint=endpoint, retstep=True, abs=1e-6)
            f.case("numpy.linspace", weak(-3), weak(7), num=num, endpoint=endpoint, dtype="int32")
        f.case("numpy.logspace", weak(0.0), ("float32", (2,)), weak(2.0), num=5, axis=1, endpoint=endpoint, ulp=16)
        f.case("numpy.geomspace", weak(1.0), arr("float32", [1000.0, 10.0]), num=4, axis=-1, endpoint=endpoint, ulp=32)
    f.case("numpy.linspace", weak(0), weak(1), num=3, dtype="bfloat16")
    f.case("numpy.linspace", weak(0), weak(1), num=3, axis=1, error=True)
    f.case("numpy.logspace", weak(0.0), weak(2.0), weak(10.0), num=3, dtype="int32", ulp=16)
    f.case("numpy.geomspace", weak(1.0), weak(100.0), num=3, dtype="float16", ulp=32)
    f.case("numpy.indices", dimensions=[2, 3], dtype="float32")
    f.case("numpy.trace", ("int8", (3, 4, 3)), offset=1, axis1=2, axis2=0, dtype="float32")
    f.case("numpy.trace", ("bool", (3, 3)), offset=0)
    for sparse in (False, True):
        f.case("numpy.meshgrid", ("float32", (2,)), ("int32", (3,)), ("float32", (4,)), indexing="xy", sparse=sparse)
        f.case("numpy.meshgrid", ("float32", (2,)), ("int32", ()), indexing="ij", sparse=sparse, error=True)
    f.case("numpy.reshape", ("float32", (2, 3, 4)), shape=[4, -1], order="F", grad=True)
    f.case("numpy.ravel", ("float32", (2, 3, 4)), order="F")
    f.case("numpy.transpose", ("float32", (2, 3, 4)), axes=[2, 0, -2])
    f.case("numpy.transpose", ("float32", (2, 3)), axes=[0, 0], error=True)
    f.case("numpy.transpose", ("float32", (2, 3)), axes=[0], error=True)
    f.case("numpy.moveaxis", ("float32", (2, 3)), source=[0, 0], destination=[0, 1], error=True)
    for x, counts, axis in (((3,), [2, 0, 1], 0), ((2, 3), [1, 2, 3], 1), ((2, 3), [3], 0), ((2, 2), [1, 2, 0, 1], None)):
        f.case("numpy.repeat", ("float32", x), repeats=counts, axis=axis, error=None)
        for total in (0, 2, 4, 9):
            f.case("numpy.repeat", ("float32", x), arr("int32", counts), axis=axis, total_repeat_length=total)
    f.case("numpy.repeat", ("float32", (3,)), arr("int32", [1, 2]), axis=0, total_repeat_length=3, error=True)
    f.case("numpy.repeat", ("float32", (2, 3)), arr("int32", [1, 2, 3]), axis=1, total_repeat_length=6, grad=[0])
    f.case("numpy.roll", ("float32", (2, 5)), shift=[1, 2], axis=[0, 1])
    f.case("numpy.roll", ("float32", (2, 5)), shift=[1, 2], axis=1)
    f.case("numpy.roll", ("float32", (2, 5)), shift=3, axis=[0, 1])
    f.case("numpy.roll", ("float32", (2, 5, 3)), shift=[1, 2], axis=[0, 1, 2], error=True)
    f.case("numpy.rot90", ("float32", (2, 3, 4)), k=1, axes=[2, 0])
    f.case("numpy.rot90", ("float32", (2, 3, 4)), k=-1, axes=[-1, 1])
    f.case("numpy.rot90", ("float32", (2, 3)), k=1, axes=[0, 0], error=True)
    for dtype in ("float32", "int32", "bfloat16"):
        for mode in ("maximum", "mean", "median", "minimum"):
            f.case("numpy.pad", (dtype, (3, 4)), pad_width=[[1, 2], [0, 3]], mode=mode, ulp=4)
            f.case("numpy.pad", (dtype, (3, 4)), pad_width=2, mode=mode, stat_length=[[2, 1], [9, 3]], ulp=4)
        f.case("numpy.pad", (dtype, (3, 4)), pad_width=[[1, 2], [0, 3]], mode="linear_ramp", abs=1e-6, ulp=2)
        f.case("numpy.pad", (dtype, (3, 4)), pad_width=[2, 3], mode="linear_ramp", end_values=[5, -3], abs=1e-6, ulp=2)
        f.case("numpy.pad", (dtype, (3, 4)), pad_width=[[1, 2], [0, 3]], mode="empty")
        for mode in ("reflect", "symmetric"):
            f.case("numpy.pad", (dtype, (3, 4)), pad_width=[[2, 5], [1, 9]], mode=mode, reflect_type="odd", ulp=2, abs=1e-6 if dtype == "float32" else 0.05 if dtype == "bfloat16" else None)
            f.case("numpy.pad", (dtype, (1,)), pad_width=[2, 1], mode=mode, reflect_type="odd", error=None)
        for values in (7, [1, 2], [[1, 2], [3, 4]]):
            f.case("numpy.pad", (dtype, (2, 2)), arr("int32", values), pad_width=[[1, 2], [2, 0]], mode="constant", constant_values=True)
    f.case("numpy.pad", ("float32", (2, 2)), pad_width=1, mode="edge", stat_length=2, error=True)
    f.case("numpy.pad", ("float32", (2, 2)), pad_width=-1, mode="constant", error=True)
    f.case("numpy.pad", ("float32", (2, 2)), pad_width=1, mode="mean", stat_length=0, error=True)
    f.case("numpy.pad", ("float32", ()), pad_width=1, mode="constant", error=None)
    for name in ("concatenate", "stack"):
        f.case(f"numpy.{name}", ("float32", (2, 3)), ("int32", (2, 3)), axis=1, dtype="bfloat16")
    for name in ("vstack", "hstack", "dstack"):
        f.case(f"numpy.{name}", ("float32", (2, 3)), ("int32", (2, 3)), dtype="int8")
    f.case("numpy.diff", ("float32", (2, 3)), ("float32", (2, 2)), n=1, axis=1, prepend=True)
    f.case("numpy.diff", ("float32", (2, 3)), weak(1.5), n=2, axis=0, append=True)
    f.case("numpy.diff", ("float32", (2, 3)), weak(1.5), ("float32", (2, 1)), n=1, axis=-1, prepend=True, append=True)
    f.case("numpy.diff", ("float32", ()), n=1, axis=0, error=True)
    f.case("numpy.ediff1d", ("float32", (2, 3)), ("float32", (2,)))
    for name in ("matmul", "dot", "vdot", "inner"):
        f.case(f"numpy.{name}", ("int8", (3,)), ("int8", (3,)), preferred_element_type="int32")
        f.case(f"numpy.{name}", ("bfloat16", (3,)), ("bfloat16", (3,)), preferred_element_type="float32", abs=1e-6)
    f.case("numpy.cross", ("float32", (4, 2)), ("float32", (3,)), abs=1e-6)
    f.case("numpy.cross", ("float32", (4, 2)), ("float32", (2,)), abs=1e-6)
    f.case("numpy.cross", ("float32", (4, 4)), ("float32", (3,)), error=True)
    f.case("numpy.cross", ("float32", (3, 4)), ("int32", (4, 3)), axisa=0, axisb=1, axisc=0, abs=1e-6)
    for dtype in ("float32", "int32", "bfloat16"):
        for width in ([[1, 2], [0, 3]], 2, [[0, 0], [0, 0]]):
            f.case("numpy.pad", (dtype, (3, 4)), pad_width=width, mode="total", abs=None if dtype == "int32" else 1e-5, ulp=4)
    f.case("numpy.pad", ("float32", (3,)), pad_width=[[2, 1]], mode="total", grad=True)
