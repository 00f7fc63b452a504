"""PyTorch trains on CIFAR-10 and says how accurate it is after how many seconds of training.

The settings come as one line of JSON on standard input: `hidden` (widths), `learning_rates` (one
for each step of the epochs), `momentum`, `reg`, `batch`, `validation`, `seed`, `threads` and `every`. After every
`every` steps it prints one line

    {"iteration": 100, "seconds": 0.91, "accuracy": 0.412}

with the accuracy on the 10,000 test images; only the training steps, and what they
need (the order, the gather), are on the clock.
"""

import argparse
import json
import pathlib
import sys
import time
import types

parser = argparse.ArgumentParser()
parser.add_argument("--data-dir", type=pathlib.Path, required=True)
args = parser.parse_args()
settings = json.loads(sys.stdin.readline(), object_hook=lambda d: types.SimpleNamespace(**d))

import numpy
import torch
from torch.nn.functional import cross_entropy

from pytorch_model import network, optimizer

torch.set_num_threads(settings.threads)
torch.manual_seed(settings.seed)


def read(name):
    """Pixels (10000, 3072) and labels (10000,) of one official file."""
    records = numpy.fromfile(args.data_dir / name, numpy.uint8).reshape(-1, 3073)
    return records[:, 1:], records[:, 0].astype(numpy.int64)


parts = [read(f"data_batch_{i}.bin") for i in range(1, 6)]
pixels = torch.from_numpy(numpy.concatenate([p for p, _ in parts]))
labels = torch.from_numpy(numpy.concatenate([l for _, l in parts]))
chosen = torch.randperm(len(pixels))[settings.validation :]
x, y = pixels[chosen].float(), labels[chosen]
mean, deviation = x.mean(0), x.std(0)
x.sub_(mean).div_(deviation)
test_pixels, test_labels = (torch.from_numpy(part.copy()) for part in read("test_batch.bin"))
test_x = test_pixels.float().sub_(mean).div_(deviation)

model = network([3072, *settings.hidden, 10])
sgd = optimizer(model, settings.learning_rates[0], settings.momentum, settings.reg)
batch = torch.empty(settings.batch, 3072)
target = torch.empty(settings.batch, dtype=torch.int64)


@torch.inference_mode()
def accuracy():
    hits = sum(
        int((model(test_x[i : i + 500]).argmax(1) == test_labels[i : i + 500]).sum())
        for i in range(0, len(test_x), 500)
    )
    return hits / len(test_x)


def report(iteration, seconds):
    line = {"iteration": iteration, "seconds": seconds, "accuracy": accuracy()}
    print(json.dumps(line), flush=True)


accuracy()  # the first call allocates
iteration, seconds = 0, 0.0
report(iteration, seconds)
while iteration < len(settings.learning_rates):
    start = time.perf_counter()
    order = torch.randperm(len(x))
    for first in range(0, len(x), settings.batch):
        rows = order[first : first + settings.batch]
        here, wanted = batch[: len(rows)], target[: len(rows)]
        torch.index_select(x, 0, rows, out=here)
        torch.index_select(y, 0, rows, out=wanted)
        for group in sgd.param_groups:
            group["lr"] = settings.learning_rates[iteration]
        sgd.zero_grad(set_to_none=True)
        cross_entropy(model(here), wanted).backward()
        sgd.step()
        iteration += 1
        if iteration % settings.every == 0:
            seconds += time.perf_counter() - start
            report(iteration, seconds)
            start = time.perf_counter()
    seconds += time.perf_counter() - start
