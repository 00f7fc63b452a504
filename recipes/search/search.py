#!/usr/bin/env python3
"""Trains many networks at once on a GPU, to find out which settings are worth a recipe.

    python search.py FOLDER          FOLDER has CIFAR-10's data_batch_1.bin to data_batch_5.bin

Networks of one group have the same shape, images and order of images; each has its own learning rate, penalty, dropout
and so on. Side by side they are one product of matrices, so that 48 networks of 1,024 units take 6 seconds on an H200.
The settings mean what they mean in Chainrule: loss, Nesterov's momentum, cosine, initialization, dropout, batch
normalization, whitening, augmentation and distillation are its own. Products are in TF32. Batches that are not full are
left out. `--check` holds a step to PyTorch's autograd.

It prints, and writes to a table (--output), the accuracy on 5,000 validation images after the last epoch. No test image
is read.
"""
import argparse
import csv
import itertools
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIDE, CLASSES, BATCH, MOMENTUM, EPSILON = 32, 10, 128, 0.9, 1e-5


class Images:
    """CIFAR-10's training images, 5,000 of them for validation."""

    def __init__(self, folder, images=None):
        files = [Path(folder) / f"data_batch_{i}.bin" for i in range(1, 6)]
        data = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])[:images]
        order = np.random.RandomState(0).permutation(len(data))
        self.validation, self.training = (torch.from_numpy(part).to(DEVICE) for part in np.split(order, [len(data) // 10]))
        data = torch.from_numpy(data).to(DEVICE)
        self.pixels, self.labels = data[:, 1:], data[:, 0].long()
        self.eigen = {}

    def prepared(self, contrast=None, zca=None):
        """Training images and labels, validation images and labels: standardized by pixel, then whitened."""
        x = self.pixels.float()
        if contrast is not None:
            x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + contrast).sqrt()
        training = x[self.training]
        x = (x - training.mean(0)) / training.std(0, unbiased=False)
        if zca is not None:
            if contrast not in self.eigen:
                training = x[self.training].double()
                self.eigen[contrast] = torch.linalg.eigh(training.T @ training / len(training))
            values, vectors = self.eigen[contrast]
            whitening = (vectors * (values.clamp_min(0) + zca).rsqrt()) @ vectors.T
            torch.backends.cuda.matmul.allow_tf32 = False
            x = x @ whitening.float()
            torch.backends.cuda.matmul.allow_tf32 = True
        parts = self.training, self.validation
        return [tensor for part in parts for tensor in (x[part].contiguous(), self.labels[part])]


def moved(x, down, right, mirrored):
    """Images moved by so many pixels, the border filled by reflection, and mirrored where it says so."""
    def reflected(i):
        return torch.where(i.abs() >= SIDE, 2 * SIDE - 2 - i.abs(), i.abs())
    place = torch.arange(SIDE, device=DEVICE)
    rows, columns = reflected(place + down[:, None]), reflected(place + right[:, None])
    columns = torch.where(mirrored[:, None], SIDE - 1 - columns, columns)
    image, channel = torch.arange(len(x), device=DEVICE)[:, None, None, None], torch.arange(3, device=DEVICE)[:, None, None]
    return x.view(-1, 3, SIDE, SIDE)[image, channel, rows[:, None, :, None], columns[:, None, None, :]].flatten(1)


class Networks:
    """M networks of the same widths. W_l is (M, outputs, inputs)."""

    def __init__(self, widths, count, norm, seed=0):
        generator = torch.Generator(DEVICE).manual_seed(seed)
        self.count, self.widths, self.norm, self.depth = count, widths, norm, len(widths) - 1
        shapes = list(zip(widths, widths[1:]))
        self.weight = [
            torch.randn(count, n, k, device=DEVICE, generator=generator) * math.sqrt(2 / k) for k, n in shapes
        ]
        self.bias = [torch.zeros(count, n, device=DEVICE) for n in widths[1:]]
        self.scale = [torch.ones(count, n, device=DEVICE) for n in widths[1:-1]]
        self.mean = [torch.zeros(count, n, device=DEVICE) for n in widths[1:-1]]
        self.variance = [torch.ones(count, n, device=DEVICE) for n in widths[1:-1]]

    def tensors(self):
        return self.weight + self.bias + self.scale + self.mean + self.variance

    def product(self, l, a):
        """Z_l = A W_lᵀ, (M, rows, outputs); all networks read the same images."""
        if l == 0:
            return (a @ self.weight[0].flatten(0, 1).T).view(len(a), self.count, -1).transpose(0, 1)
        return torch.bmm(a, self.weight[l].transpose(1, 2))

    def scores(self, x):
        """Scores in evaluation, (M, rows, classes)."""
        rows = max(250, min(5000, int(4e8 / (self.count * max(self.widths[1:])))))
        return torch.cat([self._scores(part) for part in x.split(rows)], 1)

    def _scores(self, a):
        for l in range(self.depth - 1):
            z = self.product(l, a)
            if self.norm:
                z = (z - self.mean[l][:, None]) * ((self.variance[l] + EPSILON).rsqrt() * self.scale[l])[:, None]
            a = F.relu(z + self.bias[l][:, None])
        return self.product(self.depth - 1, a) + self.bias[-1][:, None]

    def accuracy(self, x, labels):
        return (self.scores(x).argmax(2) == labels).float().mean(1).mul(100).tolist()


if DEVICE == "cuda":
    import triton
    import triton.language as tl

    @triton.jit
    def nesterov(W, V, G, RATE, PENALTY, schedule, size, n, momentum: tl.constexpr, BLOCK: tl.constexpr):
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        mask = at < n
        network = at // size
        rate = tl.load(RATE + network, mask=mask) * tl.load(schedule)
        w, v = tl.load(W + at, mask=mask), tl.load(V + at, mask=mask)
        g = tl.load(G + at, mask=mask) + tl.load(PENALTY + network, mask=mask) * w
        v = momentum * v + g
        tl.store(V + at, v, mask=mask)
        tl.store(W + at, w - rate * (g + momentum * v), mask=mask)


def update(w, v, g, rate, penalty, schedule):
    """V := μ V + g, W := W - η (g + μ V), g being dW + λ W of each network."""
    if DEVICE == "cuda":
        grid = (triton.cdiv(w.numel(), 2048),)
        nesterov[grid](w, v, g, rate, penalty, schedule, w.numel() // len(w), w.numel(), MOMENTUM, 2048)
    else:
        rate, penalty = (x.view(-1, *[1] * (w.dim() - 1)) for x in (rate, penalty))
        g = g + penalty * w
        v.mul_(MOMENTUM).add_(g)
        w -= rate * schedule * (g + MOMENTUM * v)


class Training:
    """One step of all networks, forward, backward and update."""

    def __init__(self, networks, x, labels, settings, epochs, shift=0, mixup=False, teacher=None):
        self.networks, self.x, self.labels, self.shift, self.mixup, self.teacher = networks, x, labels, shift, mixup, teacher
        defaults = dict(learning_rate=None, reg=0, label_smoothing=0, dropout=0, temperature=2, weight=0)
        column = {
            key: torch.tensor([float(s.get(key, default)) for s in settings], device=DEVICE)
            for key, default in defaults.items()
        }
        self.rate, self.penalty, self.no_penalty = column["learning_rate"], column["reg"], torch.zeros_like(column["reg"])
        wide = {key: value.view(-1, 1, 1) for key, value in column.items()}
        self.smoothing, self.dropout = wide["label_smoothing"], wide["dropout"]
        self.temperature, self.weight = wide["temperature"], wide["weight"]
        self.drops = bool((self.dropout > 0).any())
        self.velocity = {id(p): torch.zeros_like(p) for p in networks.weight + networks.bias + networks.scale}
        self.steps = len(x) // BATCH
        self.total = epochs * self.steps
        self.order = torch.zeros(self.steps, BATCH, dtype=torch.long, device=DEVICE)
        self.at = torch.zeros(1, dtype=torch.long, device=DEVICE)
        self.step_number = torch.zeros(1, device=DEVICE)

    def shuffle(self):
        order = torch.randperm(len(self.x), device=DEVICE)[: self.steps * BATCH]
        self.order.copy_(order.view(self.steps, BATCH))
        self.at.zero_()

    def learn(self, p, gradient, penalty, schedule):
        update(p, self.velocity[id(p)], gradient, self.rate, penalty, schedule)

    def batch(self):
        rows = self.order.index_select(0, self.at).view(-1)
        x, target = self.x[rows], torch.eye(CLASSES, device=DEVICE)[self.labels[rows]]
        if self.shift:
            down, right = (torch.randint(-self.shift, self.shift + 1, (BATCH,), device=DEVICE) for _ in range(2))
            x = moved(x, down, right, torch.rand(BATCH, device=DEVICE) < 0.5)
        if self.mixup:
            share = torch.rand(1, device=DEVICE)
            x, target = (share * part + (1 - share) * part.flip(0) for part in (x, target))
        return x, target

    def step(self):
        nets = self.networks
        schedule = 0.5 * (1 + torch.cos(math.pi * self.step_number / self.total))
        a, target = self.batch()
        inputs, standardized, deviations, masks = [a], [], [], []
        for l in range(nets.depth - 1):
            z = nets.product(l, a)
            if nets.norm:
                mean, variance = z.mean(1, keepdim=True), z.var(1, unbiased=False, keepdim=True)
                deviations.append((variance + EPSILON).rsqrt())
                standardized.append((z - mean) * deviations[-1])
                nets.mean[l].lerp_(mean[:, 0], 0.1)
                nets.variance[l].lerp_(variance[:, 0] * (BATCH / (BATCH - 1)), 0.1)
                z = standardized[-1] * nets.scale[l][:, None]
            z = z + nets.bias[l][:, None]
            mask = (z > 0).float()
            if self.drops:
                mask = mask * (torch.rand_like(z) >= self.dropout) / (1 - self.dropout)
            masks.append(mask)
            a = z * mask
            inputs.append(a)
        z = nets.product(nets.depth - 1, a) + nets.bias[-1][:, None]
        d = z.softmax(2) - (target * (1 - self.smoothing) + self.smoothing / CLASSES)
        if self.teacher is not None:
            soft = (self.teacher(inputs[0]) / self.temperature).softmax(2)
            d = (1 - self.weight) * d + self.weight * self.temperature * ((z / self.temperature).softmax(2) - soft)
        d = d / BATCH
        self.learn(nets.bias[-1], d.sum(1), self.no_penalty, schedule)
        for l in reversed(range(nets.depth)):
            if l == 0:
                gradient = (d.transpose(0, 1).flatten(1).T @ inputs[0]).view_as(nets.weight[0])
            else:
                gradient = torch.bmm(d.transpose(1, 2), inputs[l])
                d = torch.bmm(d, nets.weight[l]) * masks[l - 1]
            self.learn(nets.weight[l], gradient, self.penalty, schedule)
            if l > 0:
                bias_gradient = d.sum(1)
                if nets.norm:
                    x, scale_gradient = standardized[l - 1], (d * standardized[l - 1]).sum(1)
                    d = d * nets.scale[l - 1][:, None]
                    d = (d - d.mean(1, keepdim=True) - x * (d * x).mean(1, keepdim=True)) * deviations[l - 1]
                    self.learn(nets.scale[l - 1], scale_gradient, self.no_penalty, schedule)
                self.learn(nets.bias[l - 1], bias_gradient, self.no_penalty, schedule)
        self.at.add_(1)
        self.step_number.add_(1)

    def run(self, epochs):
        step = self.captured() if DEVICE == "cuda" else self.step
        for _ in range(epochs):
            self.shuffle()
            for _ in range(self.steps):
                step()

    def captured(self):
        """The step as a CUDA graph. The steps that warm it up are undone."""
        self.shuffle()
        before = [p.clone() for p in self.networks.tensors()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        for p, kept in zip(self.networks.tensors(), before):
            p.copy_(kept)
        for v in self.velocity.values():
            v.zero_()
        self.step_number.zero_()
        return graph.replay


def views(networks, x, shifts):
    """Mean probabilities of each image and its mirror image, and of both moved by a pixel in eight directions."""
    moves = list(itertools.product((-1, 0, 1), repeat=2)) if shifts else [(0, 0)]
    one, total = torch.ones(len(x), dtype=torch.long, device=DEVICE), 0
    for (down, right), mirrored in itertools.product(moves, (False, True)):
        total = total + networks.scores(moved(x, one * down, one * right, one.bool() & mirrored)).softmax(2)
    return total / (2 * len(moves))


def grid(**values):
    return [dict(zip(values, chosen)) for chosen in itertools.product(*values.values())]


def groups():
    """What was searched, in order: a name, the hidden widths, epochs, the settings of the networks, and the rest."""
    plain = grid(learning_rate=[0.01, 0.03], reg=[1e-3, 2e-3, 4e-3, 8e-3], label_smoothing=[0, 0.1], dropout=[0, 0.3, 0.5])
    for contrast, zca in itertools.product([None, 10], [None, 0.3, 1, 3]):
        yield dict(name="two-layer-plain", hidden=[1024], epochs=12, settings=plain, contrast=contrast, zca=zca)
    wide = grid(learning_rate=[0.03], reg=[7e-4, 1.4e-3, 2.8e-3], dropout=[0, 0.2, 0.4])
    for zca in (2, 3, 5, 8):
        yield dict(name="two-layer-plain", hidden=[4096], epochs=16, settings=wide, zca=zca)
    chosen = [dict(learning_rate=0.03, reg=7e-4, dropout=0.4)]
    yield dict(name="two-layer-plain", hidden=[4096], epochs=16, settings=chosen * 8, zca=5)
    yield dict(name="two-layer-plain", hidden=[4096], epochs=32, settings=chosen * 4, zca=5)
    yield dict(name="two-layer-plain", hidden=[8192], epochs=16, settings=chosen * 4, zca=5)

    deep = grid(learning_rate=[0.05], reg=[5e-4, 1.5e-3, 4e-3], label_smoothing=[0.1], dropout=[0.3, 0.5, 0.65])
    for contrast, zca in [(None, None), (10, None), (None, 1), (10, 1), (None, 3), (None, 10)]:
        yield dict(name="deep-plain", hidden=[1024, 512], epochs=20, settings=deep, norm=True, contrast=contrast, zca=zca)
    deep = grid(learning_rate=[0.05], reg=[7e-4, 2e-3, 5e-3], label_smoothing=[0.1], dropout=[0.4, 0.6])
    for zca in (None, 5, 10, 20):
        yield dict(name="deep-plain", hidden=[4096, 1024], epochs=20, settings=deep, norm=True, zca=zca)

    best = dict(learning_rate=0.05, label_smoothing=0.1)
    for zca in (0.03, 0.1, 0.3):
        settings = [dict(best, reg=5e-4, dropout=dropout) for dropout in (0, 0.2, 0.4)]
        yield dict(name="two-layer-best", hidden=[4096], epochs=36, settings=settings, zca=zca, shift=3)
    settings = [dict(best, reg=reg) for reg in (3e-4, 5e-4, 1e-3)]
    yield dict(name="two-layer-best", hidden=[4096], epochs=100, settings=settings, zca=0.3, shift=3)
    yield dict(name="two-layer-best", hidden=[8192], epochs=60, settings=settings[1:2] * 2, zca=0.1, shift=3)

    def deep_best(*dropouts, reg=5e-4):
        return [dict(best, reg=reg, dropout=dropout) for dropout in dropouts]

    rest = dict(name="deep-best", norm=True, zca=0.1, shift=3)
    yield dict(rest, hidden=[4096, 2048], epochs=100, settings=deep_best(0.3, 0.3, 0.45))
    yield dict(rest, hidden=[4096, 2048], epochs=60, settings=deep_best(0.3, 0.15), zca=0.3)
    yield dict(rest, hidden=[4096, 2048], epochs=60, settings=deep_best(0.1, 0.2), mixup=True)
    yield dict(rest, hidden=[4096, 2048, 2048], epochs=60, settings=deep_best(0.3, 0.15))
    yield dict(rest, hidden=[4096, 4096], epochs=60, settings=deep_best(0.3, 0.15), shift=4)
    yield dict(rest, hidden=[4096, 2048], epochs=120, settings=deep_best(0.2, 0.2) + deep_best(0.2, 0.2, reg=1e-3))
    yield dict(rest, hidden=[4096, 2048, 2048], epochs=120, settings=deep_best(0.1, 0.2))
    yield dict(rest, hidden=[4096, 2048, 2048, 2048], epochs=50, settings=deep_best(0.1, 0.15))


def search(images, table):
    for group in groups():
        began = time.time()
        x, labels, validation, answers = images.prepared(group.get("contrast"), group.get("zca"))
        settings, norm, shift = group["settings"], group.get("norm", False), group.get("shift", 0)
        networks = Networks([3072, *group["hidden"], CLASSES], len(settings), norm)
        Training(networks, x, labels, settings, group["epochs"], shift, group.get("mixup", False)).run(group["epochs"])
        accuracies = zip(settings, networks.accuracy(validation, answers), networks.accuracy(x[:5000], labels[:5000]))
        hidden = "-".join(map(str, group["hidden"]))
        print(f"{group['name']} {hidden}, {group['epochs']} epochs, zca {group.get('zca')}, contrast "
              f"{group.get('contrast')}: {len(settings)} networks, {time.time() - began:.1f} s", flush=True)
        rows = [
            dict(validation=round(v, 2), training=round(t, 1), name=group["name"], hidden=hidden, epochs=group["epochs"],
                 norm="batch" if norm else "none", zca=group.get("zca"), contrast=group.get("contrast"), shift=shift,
                 mixup=int(group.get("mixup", False)), learning_rate=s["learning_rate"], reg=s["reg"],
                 dropout=s.get("dropout", 0), label_smoothing=s.get("label_smoothing", 0))
            for s, v, t in accuracies
        ]
        for row in sorted(rows, key=lambda row: -row["validation"])[:3]:
            print("   ", row["validation"], {key: row[key] for key in ("learning_rate", "reg", "dropout", "label_smoothing")})
        mean = networks.scores(validation).mean(0)
        print(f"    the mean of their scores: {(mean.argmax(1) == answers).float().mean() * 100:.2f}")
        if shift:
            for shifts in (False, True):
                right = (views(networks, validation, shifts).argmax(2) == answers).float().mean(1) * 100
                print(f"    with flips{' and shifts' * shifts}:", " ".join(f"{a:.2f}" for a in right))
        table.extend(rows)


def check():
    """One step beside autograd and torch.optim.SGD, with and without batch normalization."""
    torch.manual_seed(0)
    x, labels = torch.randn(BATCH, 3072, device=DEVICE), torch.randint(0, CLASSES, (BATCH,), device=DEVICE)
    teacher = torch.randn(BATCH, CLASSES, device=DEVICE)
    setting = dict(learning_rate=0.1, reg=0.01, label_smoothing=0.1, temperature=3, weight=0.4)
    torch.backends.cuda.matmul.allow_tf32 = False
    for norm in (False, True):
        ours, theirs = (Networks([3072, 20, 16, CLASSES], 1, norm, seed=1) for _ in range(2))
        training = Training(ours, x, labels, [setting], 1, teacher=lambda _: teacher)
        training.order.copy_(torch.arange(BATCH))
        training.step()
        parameters = theirs.weight, theirs.bias, theirs.scale if norm else []
        weight, bias, scale = [[p[0].clone().requires_grad_() for p in kind] for kind in parameters]
        with torch.enable_grad():
            a = x
            for l in range(2):
                z = a @ weight[l].T
                z = F.batch_norm(z, None, None, scale[l], bias[l], True) if norm else z + bias[l]
                a = F.relu(z)
            z = a @ weight[2].T + bias[2]
            loss = 0.6 * F.cross_entropy(z, labels, label_smoothing=0.1)
            loss = loss + 0.4 * 9 * F.cross_entropy(z / 3, (teacher / 3).softmax(1))
            groups = [dict(params=weight, weight_decay=0.01), dict(params=bias + scale)]
            optimizer = torch.optim.SGD(groups, lr=0.1, momentum=MOMENTUM, nesterov=True)
            loss.backward()
            optimizer.step()
        names = ours.weight + ours.bias + (ours.scale if norm else [])
        worst = max((p[0] - q).abs().max().item() for p, q in zip(names, weight + bias + scale))
        print(f"{'batch normalization' if norm else 'no normalization'}: largest difference {worst:.1e}")
        assert worst < 1e-5


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="folder of CIFAR-10's binary files")
    parser.add_argument("--images", type=int, help="only the first of the training images")
    parser.add_argument("--output", type=Path, default="ranked.csv", help="the table that is written")
    parser.add_argument("--check", action="store_true", help="hold a step to autograd, and stop")
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.set_grad_enabled(False)
    if arguments.check or not arguments.folder:
        check()
    else:
        found = []
        search(Images(arguments.folder, arguments.images), found)
        found.sort(key=lambda row: -row["validation"])
        with open(arguments.output, "w") as file:
            writer = csv.DictWriter(file, found[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
