"""PyTorch trains on CIFAR-10 and says how accurate it is after how many seconds of training.

The settings come as one line of JSON on standard input: `hidden` (widths), `learning_rates` (one
for each step of the epochs), `momentum`, `reg`, `batch`, `validation`, `seed`, `threads`, `every` and
`setting` (as pytorch_peer.py names it). After every `every` steps it prints one line

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

from pytorch_model import SETTINGS, Images, name, network, optimizer, set_precision, scores_of, training

torch.set_num_threads(settings.threads)
torch.manual_seed(settings.seed)


def read(file):
    """Pixels (10000, 3072) and labels (10000,) of one official file."""
    records = numpy.fromfile(args.data_dir / file, numpy.uint8).reshape(-1, 3073)
    return records[:, 1:].copy(), records[:, 0].astype(numpy.int64)


parts = [read(f"data_batch_{i}.bin") for i in range(1, 6)]
pixels, labels = (numpy.concatenate(part) for part in zip(*parts))
chosen = torch.randperm(len(pixels))[settings.validation :].numpy()
pixels, labels = pixels[chosen], labels[chosen]
values = torch.from_numpy(pixels).float()
mean, deviation = values.mean(0), values.std(0)
del values
images = Images(pixels, labels, mean, deviation)
test = Images(*read("test_batch.bin"), mean, deviation)

precision, form, compiled = next(
    (precision, form, compiled)
    for precision, ways in SETTINGS.items()
    for form, compiled in ways
    if settings.setting == name(precision, form, compiled)
)
model = network([3072, *settings.hidden, 10])
sgd = optimizer(model, settings.learning_rates[0], settings.momentum, settings.reg)
step = training(images, model, sgd, settings.batch, precision, form, compiled)
test_x = test.form("bf16" if form == "bf16" else "f32")
scores = scores_of(model, precision)


@torch.inference_mode()
def accuracy():
    set_precision(precision)
    hits = sum(
        int((scores(test_x[i : i + 500]).argmax(1) == test.labels[i : i + 500]).sum())
        for i in range(0, len(test_x), 500)
    )
    return hits / len(test_x)


def report(iteration, seconds):
    line = {"iteration": iteration, "seconds": seconds, "accuracy": accuracy()}
    print(json.dumps(line), flush=True)


def set_rate(rate):
    for group in sgd.param_groups:
        group["lr"] = rate


# The first calls allocate and compile, for both sizes of batch; with a rate of 0 the weights stay.
accuracy()
set_rate(0.0)
for size in {settings.batch, len(labels) % settings.batch or settings.batch}:
    for _ in range(3):
        step(torch.arange(size))
for state in sgd.state.values():
    state["momentum_buffer"].zero_()

iteration, seconds = 0, 0.0
report(iteration, seconds)
while iteration < len(settings.learning_rates):
    start = time.perf_counter()
    order = torch.randperm(len(labels))
    for first in range(0, len(labels), settings.batch):
        set_rate(settings.learning_rates[iteration])
        step(order[first : first + settings.batch])
        iteration += 1
        if iteration % settings.every == 0:
            seconds += time.perf_counter() - start
            report(iteration, seconds)
            start = time.perf_counter()
    seconds += time.perf_counter() - start
