"""PyTorch on the CPU: autograd, eager or compiled, in f32 and in bf16, with the fused SGD.

    python pytorch_peer.py --check

holds every candidate to five steps in numpy, in f64.
"""

import os
import sys

import peer

args = peer.arguments()

import numpy
import torch

import check
from pytorch_model import (
    SETTINGS,
    Images,
    loss_of,
    name,
    network,
    optimizer,
    scores_of,
    set_precision,
    training,
)

torch.set_num_threads(args.threads)
torch.manual_seed(1)


def repeated(images, precision, form, compiled):
    """Prepares steps on one minibatch after the other, without end."""

    def prepare():
        model = network(args.widths)
        sgd = optimizer(model, peer.LEARNING_RATE, peer.MOMENTUM, peer.L2)
        step = training(images, model, sgd, args.batch, precision, form, compiled)
        orders = peer.batches(lambda: torch.randperm(peer.IMAGES), args.batch)

        def work():
            step(next(orders))
            return args.batch

        return work

    return prepare


def evaluation(images, precision, form, rows, compiled):
    """Prepares to classify the first images, so many rows at once."""

    def prepare():
        scores = scores_of(network(args.widths), precision)
        if compiled:
            scores = torch.compile(scores, options={"freezing": True})
        chosen = images.form(form)[: peer.EVALUATION_IMAGES]
        found = torch.empty(len(chosen), dtype=torch.int64)

        @torch.inference_mode()
        def work():
            set_precision(precision)
            for start in range(0, len(chosen), rows):
                found[start : start + rows] = scores(chosen[start : start + rows]).argmax(1)
            return len(chosen)

        return work

    return prepare


EVALUATIONS = [("", 200), ("", 500), ("", 1000), ("", 10_000), ("compiled, ", 1000)]


# How far the loss after five steps may be from numpy's. In f32 a penalty on the biases too would
# change it by 1.3e-5. bf16 rounds each factor of a product by up to 0.4 %; without the penalty the
# loss would differ by 0.016, without momentum by 1.3.
TOLERANCE = {"f32": 5e-6, "medium": 5e-3, "autocast to bf16": 5e-3}


def held_to_numpy():
    """Whether every candidate trains as numpy does; says what each comes to."""
    widths, batch, good = [peer.INPUTS, 256, 128, peer.CLASSES], 64, True
    start = check.Reference(widths, batch)
    pixels = (start.x * 64 + 128).astype(numpy.uint8)
    images = Images(pixels, start.y, peer.MEAN, peer.DEVIATION)
    exact = check.Reference(widths, batch)
    exact.five_steps()
    first, target = torch.arange(batch), torch.from_numpy(start.y[:batch])
    for precision, settings in SETTINGS.items():
        for form, compiled in settings:
            model = network(widths)
            linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
            for layer, weights in zip(linear, start.weights):
                layer.weight.data.copy_(torch.from_numpy(weights.T))
            sgd = optimizer(model, check.RATE, check.MOMENTUM, check.L2)
            step = training(images, model, sgd, batch, precision, form, compiled)
            for rows in torch.arange(5 * batch).split(batch):
                step(rows)
            with torch.no_grad():
                x = images.gather("f32", batch)(first)
                found = loss_of(model, "f32")(x, target).item()
            difference = abs(found - exact.loss())
            good &= difference < TOLERANCE[precision]
            print(
                f"PyTorch, {name(precision, form, compiled)}: loss {start.loss():.6f}, after five "
                f"steps {found:.6f}, numpy {exact.loss():.6f}, {difference:.1e} apart"
                f"{'' if difference < TOLERANCE[precision] else '  FAILED'}"
            )
    return good


held = os.environ.get("ATEN_CPU_CAPABILITY")
if held and torch.backends.cpu.get_cpu_capability().lower() != held:
    sys.exit(f"PyTorch runs at {torch.backends.cpu.get_cpu_capability()}, not at {held}")
if args.check:
    sys.exit(0 if held_to_numpy() else 1)
images = Images(*peer.made_up_images(numpy), peer.MEAN, peer.DEVIATION)
if args.eval:
    candidates = {
        precision: {
            f"{way}{rows} rows at once{'' if precision == 'f32' else ', ' + precision}": evaluation(
                images, precision, form, rows, bool(way)
            )
            for way, rows in EVALUATIONS
        }
        for precision, form in zip(SETTINGS, ("f32", "f32", "bf16"))
    }
else:
    candidates = {
        precision: {
            name(precision, form, compiled): repeated(images, precision, form, compiled)
            for form, compiled in settings
        }
        for precision, settings in SETTINGS.items()
    }
peer.serve(f"PyTorch {torch.__version__}", candidates)
