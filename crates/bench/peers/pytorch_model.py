"""The network, its step and the settings as PyTorch has them, for both PyTorch peers."""

import functools

import torch
from torch import nn
from torch.nn.functional import cross_entropy

# f32 throughout; f32 weights whose products may run in bf16 ("medium"); or bf16 inside the forward
# pass, with f32 weights and loss. Of each: the form of the pixels in memory, and whether the forward
# and backward pass is compiled.
# What did not win is left out: SGD in its foreach form, huge pages (THP_MEM_ALLOC_ENABLE), and
# normalization within the compiled function.
SETTINGS = {
    "f32": [("f32", False), ("bytes", False), ("f32", True)],
    "medium": [("f32", False), ("bytes", False), ("f32", True)],
    "autocast to bf16": [("bf16", False), ("f32", False), ("bf16", True)],
}


def name(precision, form, compiled):
    """As the tables name this setting."""
    plain = f"{'compiled' if compiled else 'eager'}, {form} in memory"
    return plain if precision == "f32" else f"{plain}, {precision}"


def network(widths):
    """Linear and ReLU in turns, He's initial weights and zero biases."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        linear = nn.Linear(inputs, outputs)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def optimizer(model, learning_rate, momentum, l2):
    """SGD in one fused kernel; L2 acts on weights, not on biases."""
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": l2}, {"params": biases}]
    return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, fused=True)


def set_precision(precision):
    """For the products of this process from here on; autocast is set where scores are computed."""
    torch.set_float32_matmul_precision("medium" if precision == "medium" else "highest")


def scores_of(model, precision):
    """The function of a batch that gives its scores."""
    if precision != "autocast to bf16":
        return model

    def scores(x):
        with torch.autocast("cpu", torch.bfloat16):
            return model(x)

    return scores


def loss_of(model, precision):
    """The function of a batch and its classes that gives the mean loss."""
    scores = scores_of(model, precision)
    return lambda x, target: cross_entropy(scores(x).float(), target)


# Normalized pixels, or bytes that are normalized after the gather. bf16 rounds them as autocast does.
FORMS = {"f32": torch.float32, "bytes": torch.uint8, "bf16": torch.bfloat16}


class Images:
    """Images in memory, in each form that is asked for, and their classes.

    `pixels` (images, inputs) and `labels` are arrays of numpy; mean and deviation are numbers, or
    arrays with one for each input.
    """

    def __init__(self, pixels, labels, mean, deviation):
        self.pixels, self.labels = torch.from_numpy(pixels), torch.from_numpy(labels)
        self.mean, self.factor = mean, 1 / deviation

    @functools.cache
    def form(self, form):
        if form == "bytes":
            return self.pixels
        return self.normalize(self.pixels.float()).to(FORMS[form])

    def normalize(self, pixels):
        return pixels.sub_(self.mean).mul_(self.factor)

    def gather(self, form, batch):
        """The function of some row numbers that gives their images, in one and the same buffer."""
        images = self.form(form)
        raw = torch.empty(batch, images.shape[1], dtype=FORMS[form])
        if form != "bytes":
            return lambda rows: torch.index_select(images, 0, rows, out=raw[: len(rows)])
        normalized = torch.empty(batch, images.shape[1])

        def gather(rows):
            torch.index_select(images, 0, rows, out=raw[: len(rows)])
            return self.normalize(normalized[: len(rows)].copy_(raw[: len(rows)]))

        return gather


def training(images, model, sgd, batch, precision, form, compiled):
    """The function of some row numbers that takes a step on them."""
    gather, loss = images.gather(form, batch), loss_of(model, precision)
    if compiled:
        loss = torch.compile(loss)
    target = torch.empty(batch, dtype=torch.int64)

    def step(rows):
        set_precision(precision)
        x = gather(rows)
        classes = torch.index_select(images.labels, 0, rows, out=target[: len(rows)])
        sgd.zero_grad(set_to_none=True)
        loss(x, classes).backward()
        sgd.step()

    return step
