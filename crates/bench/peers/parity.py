"""Chainrule beside PyTorch on the same weights: evaluation, one training step, twenty of them.

    python parity.py --chainrule target/release/chainrule

Both train in float32 and are held to PyTorch in float64, so what is printed is each one's rounding
and nothing else. A weight's difference is taken relative to its size, or to the root mean square of
its tensor where it is smaller than that: the rounding of a weight near 0 is that of the terms it is
the sum of. Exits with 1 if the test loss differs by more than 1e-5, one of 10,000 predictions
differs, or a weight differs by more than 1e-4.
"""

import argparse
import copy
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

BATCH, LEARNING_RATE, MOMENTUM, REG = 64, 0.02, 0.9, 0.005
MEAN, STD = [125.3, 123.0, 113.9], [63.0, 62.1, 66.7]


def records(path):
    """Labels and pixels of a batch file: 1 label byte and 3072 pixel bytes a record."""
    data = np.fromfile(path, dtype=np.uint8).reshape(-1, 3073)
    return torch.from_numpy(data[:, 0].astype(np.int64)), torch.from_numpy(data[:, 1:].copy())


def inputs(pixels):
    mean, std = (torch.tensor(v, dtype=torch.float32).double() for v in (MEAN, STD))
    images = pixels.double().reshape(-1, 3, 1024)
    return ((images - mean[:, None]) / std[:, None]).reshape(-1, 3072)


def network(hidden):
    widths = [3072, *hidden, 10]
    layers = {f"fc{i + 1}": torch.nn.Linear(a, b) for i, (a, b) in enumerate(zip(widths, widths[1:]))}
    return torch.nn.ModuleDict(layers)


def scores(net, x):
    for i in range(1, len(net) + 1):
        x = net[f"fc{i}"](x)
        if i < len(net):
            x = torch.relu(x)
    return x


def train(net, x, labels, steps):
    weights = [p for name, p in net.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": REG}, {"params": biases, "weight_decay": 0.0}]
    sgd = torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=MOMENTUM)
    for step in range(steps):
        at = slice(step * BATCH, (step + 1) * BATCH)
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(scores(net, x[at]), labels[at]).backward()
        sgd.step()


def furthest(weights, net):
    """The largest relative difference of a weight from that of `net`."""
    worst = 0.0
    for name, exact in net.state_dict().items():
        size = exact.abs().clamp(min=exact.square().mean().sqrt().item())
        worst = max(worst, ((weights[name].double() - exact).abs() / size).max().item())
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chainrule", default="target/release/chainrule")
    parser.add_argument("--data-dir", default="datasets/cifar-10-batches-bin")
    args = parser.parse_args()
    folder = pathlib.Path(args.data_dir)
    labels, pixels = records(folder / "data_batch_1.bin")
    x = inputs(pixels[: 20 * BATCH])
    test_labels, test_pixels = records(folder / "test_batch.bin")
    test_x = inputs(test_pixels)

    passed = True
    for hidden in ([], [100], [60, 50], [70, 33, 20]):
        for steps in (1, 20):
            torch.manual_seed(len(hidden))
            net = network(hidden)
            with tempfile.TemporaryDirectory() as scratch:
                start, out = f"{scratch}/start.safetensors", f"{scratch}/out"
                normal = {"input.mean": torch.tensor(MEAN), "input.std": torch.tensor(STD)}
                save_file(net.state_dict() | normal, start)
                flags = f"--init-from {start} --no-shuffle --max-steps {steps} --out {out}"
                flags += f" --batch-size {BATCH} --learning-rate {LEARNING_RATE}"
                flags += f" --momentum {MOMENTUM} --reg {REG} --data-dir {folder}"
                command = [args.chainrule, "train", "--json", *flags.split()]
                subprocess.run(command, check=True, capture_output=True)
                single = copy.deepcopy(net)
                train(single, x.float(), labels, steps)
                net = net.double()
                train(net, x, labels, steps)
                ours = load_file(f"{out}/last.safetensors")
                # PyTorch takes the file as it is, the normalization aside.
                loaded = network(hidden)
                loaded.load_state_dict({k: v for k, v in ours.items() if k.startswith("fc")})
                worst = furthest(ours, net)

                model, predictions = f"{out}/last.safetensors", f"{scratch}/predictions.csv"
                command = [args.chainrule, "eval", "--model", model, "--json"]
                command += ["--predictions", predictions, "--data-dir", str(folder)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                with torch.no_grad():
                    theirs = scores(loaded.double(), test_x)
                loss = torch.nn.functional.cross_entropy(theirs, test_labels).item()
                with open(predictions, newline="") as file:
                    classes = [int(row["prediction"]) for row in csv.DictReader(file)]
                differ = int((torch.tensor(classes) != theirs.argmax(1)).sum())

            good = worst < 1e-4 and abs(found["loss"] - loss) < 1e-5 and differ == 0
            passed &= good
            print(
                f"hidden {str(hidden):14} {steps:2} steps: weights off by {worst:.1e} "
                f"(PyTorch's by {furthest(single.state_dict(), net):.1e}), test loss by {abs(found['loss'] - loss):.1e}, {differ} of "
                f"{len(classes)} predictions{'' if good else '  FAILED'}"
            )
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
