"""Writes tests/fixtures/data: files by Pillow, pyarrow and tokenizers, and what those read in them, for tests/suite/data.

Needs `pip install numpy pillow pyarrow tokenizers`, which nothing else here does: run it by hand when a case is added.
"""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from PIL import Image
from tokenizers import ByteLevelBPETokenizer

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "data"
TEXT = "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer. naïve 日本\n" * 3


def images():
    rng = np.random.default_rng(0)
    expected = {}
    rgb = rng.integers(0, 256, (5, 4, 3), np.uint8)
    ramp = np.add.outer(np.arange(16) * 8, np.arange(16) * 4).astype(np.uint8)
    pictures = {
        "rgb.png": Image.fromarray(rgb),
        "rgba.png": Image.fromarray(rng.integers(0, 256, (2, 3, 4), np.uint8)),
        "gray.png": Image.fromarray(ramp),
        "palette.png": Image.fromarray(rgb).quantize(4),
        "ramp.jpg": Image.fromarray(np.stack([ramp, ramp.T, ramp], -1)),
    }
    for name, picture in pictures.items():
        picture.save(OUT / name, **({"quality": 95} if name.endswith("jpg") else {}))
        read = np.asarray(Image.open(OUT / name).convert("RGB"))
        expected[name] = {"shape": read.shape, "rgb": read.ravel().tolist()}
    return expected


def columns():
    table = pa.table({
        "id": pa.array(range(7), pa.int64()),
        "x": pa.array([0.5 * i for i in range(7)], pa.float32()),
        "name": [f"row {i}" for i in range(7)],
        "y": pa.array([float(i) ** 2 for i in range(7)], pa.float64()),
        "even": [i % 2 == 0 for i in range(7)],
        "small": pa.array([-i for i in range(7)], pa.int8()),
        "unsigned": pa.array([2**31 + i for i in range(7)], pa.uint32()),
        "half": pa.array(np.arange(7, dtype=np.float16)),
    })
    pa.parquet.write_table(table, OUT / "snappy.parquet", compression="snappy", row_group_size=3)
    pa.parquet.write_table(table, OUT / "gzip.parquet", compression="gzip")
    pa.feather.write_feather(table, OUT / "columns.arrow", compression="lz4", chunksize=3)
    holes = pa.table({"x": pa.array([1.0, 2.0, None, 4.0]), "y": pa.array([1, 2, 3, 4])})
    pa.parquet.write_table(holes, OUT / "holes.parquet")


def tokens():
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT], vocab_size=290, min_frequency=2, special_tokens=["<|endoftext|>"])
    tokenizer.save(str(OUT / "tokenizer.json"))
    tokenizer.save_model(str(OUT))
    texts = [TEXT[:97], "to question", " naïve", "日本\n\n", ""]
    return {"size": tokenizer.get_vocab_size(), "texts": [[t, tokenizer.encode(t).ids] for t in texts]}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    columns()
    expected = {"images": images(), "tokens": tokens()}
    (OUT / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
