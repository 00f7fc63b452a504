"""What onnxruntime and numpy make of exported models, held to `chainrule predict`.

For each activation and normalisation, with and without the contrast normalisation, trains a small
network on the built-in sample, exports it, and asks on random pictures for the probabilities:

    export_check.py PATH/TO/chainrule
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

PICTURES = 20


def chainrule(*arguments):
    return subprocess.run([sys.argv[1], *map(str, arguments)], check=True, capture_output=True).stdout


def write_png(path, pixels):
    """Writes pixels (3, 32, 32), uint8."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.transpose(1, 2, 0))
    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def check(folder, pictures, pixels, flags):
    run = folder / "-".join(["run", *flags]).replace("--", "")
    chainrule("train", "--data", "sample", "--epochs", 1, "--hidden-dim", "40,20", "--out", run, *flags)
    table = json.loads(chainrule("predict", "--json", "--model", run, pictures))
    wanted = np.array([list(picture["probabilities"].values()) for picture in table])

    file = folder / "model.onnx"
    chainrule("export", "--model", run, "--format", "onnx", "-o", file)
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert list(table[0]["probabilities"]) == model.metadata_props[0].value.split(",")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"pixels": pixels})[0]
    assert found.shape == wanted.shape, found.shape
    worst = np.abs(found - wanted).max()

    chainrule("export", "--model", run, "--format", "npz", "-o", folder / "model.npz")
    arrays, tensors = np.load(folder / "model.npz"), load_file(run / "model.safetensors")
    assert set(arrays) == set(tensors) | {"activation"}, set(arrays)
    assert all(np.array_equal(arrays[name], tensors[name]) for name in tensors)
    activation = flags[flags.index("--activation") + 1] if "--activation" in flags else "relu"
    assert str(arrays["activation"]) == activation, arrays["activation"]
    print(f"{' '.join(flags):48} {worst:.1e}  {np.ptp(wanted, axis=0).max():.2f}")
    return worst


def main():
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    print("largest difference of a probability, and the largest range of one over the pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, 3, 32, 32), dtype=np.uint8)
    # The pictures differ in brightness and contrast, or the contrast normalisation had nothing to do.
    pixels = (pixels * np.linspace(0.1, 1, PICTURES)[:, None, None, None]).astype(np.uint8)
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures = folder / "pictures"
        pictures.mkdir()
        for i, picture in enumerate(pixels):
            write_png(pictures / f"{i:03}.png", picture)
        for activation in ["relu", "leaky-relu", "gelu", "tanh", "sigmoid"]:
            for norm in ["none", "batch", "layer"]:
                for contrast in [[], ["--contrast", "10"]]:
                    flags = ["--activation", activation, "--norm", norm, *contrast]
                    worst = max(worst, check(folder, pictures, pixels, flags))
        worst = max(worst, check(folder, pictures, pixels, ["--normalise", "pixel", "--zca", "0.1"]))
    print(f"largest of all: {worst:.1e}")
    sys.exit(not worst < 1e-5)


main()
