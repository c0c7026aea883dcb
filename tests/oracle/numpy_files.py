"""Files that NumPy and JAX write: `python3 tests/oracle/numpy_files.py [--check]` makes those of tests/fixtures/numpy.

`--read DIRECTORY` says of each array in the npy and npz files there what NumPy reads.
"""

import io
import pathlib
import sys
import zipfile

import ml_dtypes
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/numpy"
DTYPES = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 bfloat16 float16 float32 float64 complex64
complex128""".split()


def numbers(dtype, shape=(2, 3)):
    """0, 1, 2 …; complex ones have the half of that, negated, for an imaginary part."""
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    if dtype.startswith("complex"):
        x = x - 0.5j * x
    return x.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def npy(x, version=None):
    out = io.BytesIO()
    if version is None:
        np.save(out, x)
    else:
        np.lib.format.write_array(out, x, version=version)
    return out.getvalue()


def npz(save):
    arrays = {"float32": numbers("float32", (30, 40)), "layer/bias": numbers("int8"), "bf16": numbers("bfloat16")}
    arrays["fortran"] = np.asfortranarray(numbers("float32", (2, 3, 4)))
    arrays["scalar"] = numbers("uint32", ())
    out = io.BytesIO()
    save(out, **arrays)
    # The same bytes at any time.
    still = io.BytesIO()
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(still, "w") as new:
        for info in old.infolist():
            fixed = zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
            fixed.compress_type = info.compress_type
            with new.open(fixed, "w", force_zip64=True) as member:
                member.write(old.read(info))
    return still.getvalue()


def make():
    files = {f"{dtype}.npy": npy(numbers(dtype)) for dtype in DTYPES}
    for dtype in "int16 uint64 float16 float64 complex64 complex128".split():
        files[f"big_{dtype}.npy"] = npy(numbers(dtype).astype(np.dtype(dtype).newbyteorder(">")))
    files["fortran.npy"] = npy(np.asfortranarray(numbers("float32", (2, 3, 4))))
    files["fortran_big.npy"] = npy(np.asfortranarray(numbers("complex64", (2, 3, 4)).astype(">c8")))
    files["scalar.npy"] = npy(numbers("float32", ()))
    files["vector.npy"] = npy(numbers("float32", (5,)))
    files["empty.npy"] = npy(numbers("float32", (0, 3)))
    files["version_2.npy"] = npy(numbers("float32"), (2, 0))
    files["version_3.npy"] = npy(numbers("float32"), (3, 0))
    # What raxla has no type for.
    files["record.npy"] = npy(np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4", (2,))]))
    files["text.npy"] = npy(np.array(["ab", "c"]))
    files["object.npy"] = npy(np.array([None, 1], dtype=object))
    files["time.npy"] = npy(np.array(["2020-01-01"], dtype="datetime64[D]"))
    files["float8.npy"] = npy(np.ones(3, ml_dtypes.float8_e4m3fn))
    files["stored.npz"] = npz(np.savez)
    files["compressed.npz"] = npz(np.savez_compressed)
    return files


def contents(name, data):
    """Versions of zlib compress differently."""
    if data is None or not name.endswith(".npz"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, info.compress_type, archive.read(info)) for info in archive.infolist()]


def describe(name, x):
    if x.dtype == np.dtype("V2"):
        x = x.view(ml_dtypes.bfloat16)
    return f"{name} {x.dtype} {x.shape} {x.tobytes().hex()}"


def read(directory):
    for path in sorted(pathlib.Path(directory).iterdir()):
        if path.suffix == ".npy":
            print(describe(path.name, np.load(path)))
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                for name in sorted(arrays):
                    print(describe(f"{path.name} {name}", arrays[name]))


if sys.argv[1:2] == ["--read"]:
    read(sys.argv[2])
else:
    files = make()
    if sys.argv[1:] == ["--check"]:
        there = {path.name: path.read_bytes() for path in OUT.iterdir()}
        different = [name for name in files | there if contents(name, files.get(name)) != contents(name, there.get(name))]
        sys.exit(f"other than NumPy writes: {different}" if different else 0)
    OUT.mkdir(exist_ok=True)
    for name, data in files.items():
        (OUT / name).write_bytes(data)
