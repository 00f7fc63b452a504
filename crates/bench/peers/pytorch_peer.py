"""PyTorch on the CPU: autograd, eager or compiled, with the fused SGD."""

import peer

args = peer.arguments()

import numpy
import torch
from torch.nn.functional import cross_entropy

from pytorch_model import network, optimizer

torch.set_num_threads(args.threads)
torch.manual_seed(1)

pixels, labels = peer.made_up_images(numpy)
y = torch.from_numpy(labels)
x_u8 = torch.from_numpy(pixels)
x_f32 = torch.from_numpy(peer.normalized(numpy, pixels))


def gather_f32():
    """All images as normalized f32, 614 MB; rows are copied into one buffer."""
    batch = torch.empty(args.batch, peer.INPUTS)

    def gather(rows):
        return torch.index_select(x_f32, 0, rows, out=batch)

    return gather


def gather_u8():
    """Images as bytes, normalized after the gather."""
    raw = torch.empty(args.batch, peer.INPUTS, dtype=torch.uint8)
    batch = torch.empty(args.batch, peer.INPUTS)

    def gather(rows):
        torch.index_select(x_u8, 0, rows, out=raw)
        return batch.copy_(raw).sub_(peer.MEAN).mul_(1 / peer.DEVIATION)

    return gather


def training(gather, compiled=False):
    def prepare():
        model = network(args.widths)
        sgd = optimizer(model, peer.LEARNING_RATE, peer.MOMENTUM, peer.L2)
        rows_of = gather()
        target = torch.empty(args.batch, dtype=torch.int64)
        orders = peer.batches(lambda: torch.randperm(peer.IMAGES), args.batch)

        def loss_of(x, target):
            return cross_entropy(model(x), target)

        if compiled:
            loss_of = torch.compile(loss_of)

        def step():
            rows = next(orders)
            x = rows_of(rows)
            torch.index_select(y, 0, rows, out=target)
            sgd.zero_grad(set_to_none=True)
            loss_of(x, target).backward()
            sgd.step()
            return args.batch

        return step

    return prepare


def evaluation(rows):
    def prepare():
        model = network(args.widths)
        images = x_f32[: peer.EVALUATION_IMAGES]
        found = torch.empty(len(images), dtype=torch.int64)

        @torch.inference_mode()
        def work():
            for start in range(0, len(images), rows):
                scores = model(images[start : start + rows])
                torch.argmax(scores, 1, out=found[start : start + rows])
            return len(images)

        return work

    return prepare


if args.eval:
    candidates = {f"{rows} rows at once": evaluation(rows) for rows in (200, 500, 1000, 10_000)}
else:
    candidates = {
        "eager, f32 in memory": training(gather_f32),
        "eager, bytes in memory": training(gather_u8),
        "compiled, f32 in memory": training(gather_f32, compiled=True),
    }
peer.serve(f"PyTorch {torch.__version__}", candidates)
