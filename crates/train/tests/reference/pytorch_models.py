"""Writes the model files of tests/pytorch/ and the scores that they must give, expected.json.

The names, shapes and types are those that PyTorch gives them: `net.state_dict()`, saved with
`safetensors.torch.save_file`. No PyTorch is needed: the files are written with safetensors.numpy,
and the scores are computed here, in f64, by the formulas of its documentation:

    nn.Linear        y = x A^T + b
    nn.BatchNorm1d   y = (x - running_mean) / sqrt(running_var + 1e-5) * weight + bias    in eval()
    nn.LayerNorm     y = (x - E[x]) / sqrt(Var[x] + 1e-5) * weight + bias                 Var biased

    pip install numpy safetensors ml_dtypes; python pytorch_models.py
"""

import json
import pathlib

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent.parent / "pytorch"
PIXELS = (np.arange(3 * 12).reshape(3, 12) * 37 % 256).astype(np.uint8)
random = np.random.default_rng(0)


def linear(inputs, outputs, bias=True):
    tensors = {"weight": random.normal(0, (2 / inputs) ** 0.5, (outputs, inputs))}
    return tensors | ({"bias": random.normal(0, 0.3, outputs)} if bias else {})


def batch_norm(width, affine=True):
    tensors = {
        "running_mean": random.normal(0, 0.5, width),
        "running_var": random.uniform(0.2, 3, width),
        "num_batches_tracked": np.array(17, dtype=np.int64),
    }
    if affine:
        tensors |= {"weight": random.uniform(0.5, 2, width), "bias": random.normal(0, 0.5, width)}
    return tensors


def layer_norm(width):
    return {"weight": random.uniform(0.5, 2, width), "bias": random.normal(0, 0.5, width)}


def forward(x, layers):
    for tensors in layers:
        if tensors == "relu":
            x = np.maximum(x, 0)
        elif "running_mean" in tensors:
            x = (x - tensors["running_mean"]) / np.sqrt(tensors["running_var"] + 1e-5)
            x = x * tensors.get("weight", 1) + tensors.get("bias", 0)
        elif tensors["weight"].ndim == 1:
            x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
            x = x * tensors["weight"] + tensors["bias"]
        else:
            x = x @ tensors["weight"].T + tensors.get("bias", 0)
    return x


def write(expected, name, modules, dtype=np.float32, prefix=""):
    """`modules`: the order of the network; (stem, tensors), and "relu" between them."""
    floats = lambda a: a.astype(dtype) if a.dtype.kind == "f" else a
    modules = [m if m == "relu" else (m[0], {k: floats(v) for k, v in m[1].items()}) for m in modules]
    named = [m for m in modules if m != "relu"]
    tensors = {f"{prefix}{stem}.{leaf}": a for stem, module in named for leaf, a in module.items()}
    save_file(tensors, FOLDER / f"{name}.safetensors", metadata={"format": "pt"})
    wide = [m if m == "relu" else {k: v.astype(np.float64) for k, v in m[1].items()} for m in modules]
    expected[name] = forward(PIXELS / 255, wide).tolist()


def main():
    FOLDER.mkdir(exist_ok=True)
    expected = {}
    two = lambda a, b: [(a, linear(12, 5)), "relu", (b, linear(5, 3))]
    three = lambda a, an, b, bn, c, norm=batch_norm, bias=True, widths=(5, 5): [
        (a, linear(12, widths[0], bias)), (an, norm(widths[0])), "relu",
        (b, linear(widths[0], widths[1], bias)), (bn, norm(widths[1])), "relu",
        (c, linear(widths[1], 3)),
    ]
    write(expected, "bn", three("fc1", "bn1", "fc2", "bn2", "fc3"))
    write(expected, "norm_of_the_docs", [
        ("fc1", linear(12, 5)), ("norm1", batch_norm(5)), "relu", ("fc2", linear(5, 3))])
    write(expected, "sequential", three("0", "1", "3", "4", "6"))
    write(expected, "sequential_in_a_module", three("net.0", "net.1", "net.4", "net.5", "net.8"))
    write(expected, "list", [("layers.0", linear(12, 5)), "relu", ("layers.1", linear(5, 4)), "relu",
                             ("layers.2", linear(4, 3))])
    write(expected, "two_lists", three("layers.0", "norms.0", "layers.1", "norms.1", "layers.2"))
    write(expected, "blocks", three("blocks.0.fc", "blocks.0.bn", "blocks.1.fc", "blocks.1.bn", "head"))
    write(expected, "words", two("hidden", "output"))
    write(expected, "more_than_nine", [
        m for i in range(11) for m in ((f"fc{i + 1}", linear(12 if i == 0 else 5, 5)), "relu")
    ] + [("fc12", linear(5, 3))])
    write(expected, "width_alone", three("hidden", "norm_a", "middle", "norm_b", "out", widths=(5, 4)))
    write(expected, "first_alone", [
        ("fc1", linear(12, 5)), ("bn1", batch_norm(5)), "relu", ("fc2", linear(5, 5)), "relu",
        ("fc3", linear(5, 3))])
    write(expected, "not_affine", three("fc1", "bn1", "fc2", "bn2", "fc3", lambda n: batch_norm(n, False)))
    write(expected, "without_bias", [
        ("fc1", linear(12, 5, False)), ("bn1", batch_norm(5)), "relu", ("fc2", linear(5, 3, False))])
    write(expected, "layer_norm", three("fc1", "ln1", "fc2", "ln2", "fc3", layer_norm, False))
    write(expected, "data_parallel", two("fc1", "fc2"), prefix="module.")
    write(expected, "compiled", two("0", "2"), prefix="_orig_mod.module.")
    write(expected, "f16", two("fc1", "fc2"), np.float16)
    write(expected, "bf16", two("fc1", "fc2"), ml_dtypes.bfloat16)
    write(expected, "f64", two("fc1", "fc2"), np.float64)
    text = {"pixels": PIXELS.tolist(), "scores": expected}
    (FOLDER / "expected.json").write_text(json.dumps(text, indent=1) + "\n")


main()
