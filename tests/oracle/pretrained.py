"""What Hugging Face's models give: `python3 tests/oracle/pretrained.py` writes tests/fixtures/pretrained/<name>/.

Small random models in the layout of their published files: config.json, the arrays by PyTorch's names and layouts, and logits.safetensors
with tokens and their logits. `gpt2_that_writes` has a tokenizer.json, and what it writes is in tests/fixtures/examples/gpt2.txt, for the
example `gpt2`. Flax computes them; its classes left transformers after 4.46, so this wants an environment of its own:

    pip install transformers==4.46.3 flax==0.8.5 jax==0.4.30 jaxlib==0.4.30 'numpy<2' 'scipy<1.14' safetensors
"""

import json
import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import FlaxGPT2LMHeadModel, FlaxLlamaForCausalLM, GPT2Config, LlamaConfig

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/pretrained"
GPT2 = dict(vocab_size=31, n_positions=16, n_embd=12, n_layer=2, n_head=3)
LLAMA = dict(vocab_size=31, hidden_size=12, intermediate_size=20, num_hidden_layers=2, max_position_embeddings=16)
# `rope_theta` stays 10,000: the classes of Flax know no other.
MODELS = {
    "gpt2": (FlaxGPT2LMHeadModel, GPT2Config(**GPT2, n_inner=20)),
    "gpt2_that_writes": (FlaxGPT2LMHeadModel, GPT2Config(**GPT2)),
    "llama": (FlaxLlamaForCausalLM, LlamaConfig(**LLAMA, num_attention_heads=3)),
    "llama_grouped": (FlaxLlamaForCausalLM, LlamaConfig(**LLAMA, num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-3)),
}


def flat(tree, path=()):
    for key, value in tree.items():
        yield from flat(value, path + (key,)) if isinstance(value, dict) else [(path + (key,), np.asarray(value))]


def by_pytorch(path, array):
    """Flax's name and array as PyTorch's, in which GPT-2's kernels are [inputs, outputs] where Flax has [outputs, inputs], and Llama's
    the other way around."""
    *layers, leaf = path
    name = {"kernel": "weight", "scale": "weight", "embedding": "weight"}.get(leaf, leaf)
    return ".".join([*layers, name]), np.ascontiguousarray(array.T if leaf == "kernel" else array)


def tokenizer():
    """Of 31 tokens: letters, a space before a word, and two pairs."""
    tokens = ["<|endoftext|>", "Ġ", *"abcdefghijklmnopqrstuvwxyz.", "Ġt", "he"]
    made = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[("Ġ", "t"), ("h", "e")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    return made


def written(model, params, prompt):
    """The likeliest continuation, to as many tokens as there are positions and one more, or to the end of the text."""
    tokens = tokenizer().encode(prompt).ids
    while len(tokens) <= model.config.n_positions:
        logits = model(np.array([tokens], np.int32), params=params, train=False).logits
        tokens.append(int(logits[0, -1].argmax()))
        if tokens[-1] == 0:
            tokens.pop()
            break
    return tokenizer().decode(tokens, skip_special_tokens=False)


for name, (kind, config) in MODELS.items():
    model = kind(config, seed=0)
    rng = np.random.RandomState(7)
    params = jax.tree_util.tree_map(lambda a: (rng.normal(size=a.shape) * 0.4).astype(np.float32), model.params)
    if name == "gpt2_that_writes":
        # Else it writes one letter: the bias of the last norm outweighs what comes in.
        params["transformer"]["ln_f"]["bias"] *= 0
        params["transformer"]["wpe"]["embedding"] *= 4
    tokens = rng.randint(0, 31, (2, 9)).astype(np.int32)
    with jax.default_matmul_precision("float32"):
        logits = np.asarray(model(tokens, params=params, train=False).logits)
    directory = OUT / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
    arrays = dict(by_pytorch(path, array) for path, array in flat(params))
    if name == "llama_grouped":
        # Two files and an index, as of a model that is too large for one.
        parts = [dict(list(sorted(arrays.items()))[i::2]) for i in (0, 1)]
        files = [f"model-0000{i + 1}-of-00002.safetensors" for i in (0, 1)]
        for file, part in zip(files, parts):
            save_file(part, directory / file)
        index = {"metadata": {}, "weight_map": {key: file for file, part in zip(files, parts) for key in sorted(part)}}
        (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    else:
        save_file(arrays, directory / "model.safetensors")
    save_file({"tokens": tokens, "logits": logits}, directory / "logits.safetensors")
    if name == "gpt2_that_writes":
        tokenizer().save(str(directory / "tokenizer.json"))
        (OUT.parent / "examples/gpt2.txt").write_text(written(model, params, "to the") + "\n")
    print(name, len(arrays), "arrays")
