"""What onnxruntime and numpy make of exported models, held to `chainrule predict`.

For each activation and normalization, with and without the contrast normalization, trains a small
network on the built-in sample, exports it, and asks on random pictures for the probabilities; then
the same for gray images in IDX files, and for a folder of pictures that are not square:

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
    """Writes pixels (1 or 3, height, width), uint8."""
    channels, height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.transpose(1, 2, 0))
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def write_idx(folder):
    """Writes the four files of an MNIST: 400 and 100 images of noise, brighter from class to class."""
    random = np.random.default_rng(1)
    for name, count in [("train", 400), ("t10k", 100)]:
        labels = np.arange(count, dtype=np.uint8) % 10
        images = random.integers(0, 25, (count, 28, 28), dtype=np.uint8) + 20 * labels[:, None, None]
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.astype(np.uint8).tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())


def write_folder(folder):
    """Writes 60 pictures of each of three classes, 48 wide and 36 high."""
    random = np.random.default_rng(2)
    for channel, name in enumerate(["red", "green, dark", "blue"]):
        (folder / name).mkdir()
        for i in range(60):
            picture = random.integers(0, 200, (3, 36, 48), dtype=np.uint8)
            picture[channel] += 55
            write_png(folder / name / f"{i}.png", picture)


def write_pictures(folder, shape):
    """Pictures that differ in brightness and contrast, or the contrast normalization had nothing to do."""
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, *shape), dtype=np.uint8)
    pixels = (pixels * np.linspace(0.1, 1, PICTURES)[:, None, None, None]).astype(np.uint8)
    folder.mkdir()
    for i, picture in enumerate(pixels):
        write_png(folder / f"{i:03}.png", picture)
    return pixels


def check(folder, pictures, pixels, flags, data="sample"):
    run = folder / "-".join(["run", str(pixels.shape), *flags]).replace("--", "")
    chainrule("train", "--data", data, "--epochs", 1, "--hidden-dim", "40,20", "--out", run, *flags)
    table = json.loads(chainrule("predict", "--json", "--model", run, pictures))
    wanted = np.array([list(picture["probabilities"].values()) for picture in table])

    file = folder / "model.onnx"
    chainrule("export", "--model", run, "--format", "onnx", "-o", file)
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert list(table[0]["probabilities"]) == json.loads(metadata["class_names"]), metadata
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
    print(f"{' '.join(map(str, [*pixels.shape[1:], *flags])):58} {worst:.1e}  {np.ptp(wanted, axis=0).max():.2f}")
    return worst


def main():
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    print("largest difference of a probability, and the largest range of one over the pictures")
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures = folder / "pictures"
        pixels = write_pictures(pictures, (3, 32, 32))
        for activation in ["relu", "leaky-relu", "gelu", "tanh", "sigmoid"]:
            for norm in ["none", "batch", "layer"]:
                for contrast in [[], ["--contrast", "10"]]:
                    flags = ["--activation", activation, "--norm", norm, *contrast]
                    worst = max(worst, check(folder, pictures, pixels, flags))
        worst = max(worst, check(folder, pictures, pixels, ["--normalize", "pixel", "--zca", "0.1"]))
        for name, write, shape, data in [
            ("idx", write_idx, (1, 28, 28), "{}"),
            ("folder", write_folder, (3, 36, 48), "images:{}"),
        ]:
            images = folder / name
            images.mkdir()
            write(images)
            pictures = folder / f"{name}-pictures"
            pixels = write_pictures(pictures, shape)
            for flags in [[], ["--normalize", "pixel", "--zca", "0.1"], ["--contrast", "10"]]:
                worst = max(worst, check(folder, pictures, pixels, flags, data.format(images)))
    print(f"largest of all: {worst:.1e}")
    sys.exit(not worst < 1e-5)


main()
