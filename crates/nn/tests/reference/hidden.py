"""Training with every kind of hidden unit, in PyTorch's f64: the expected values of ../hidden.rs.

Ran with PyTorch 2.15: `python hidden.py`. Prints, of each case, the loss of each of four steps and
three sums over the scores of evaluation: Σ s, Σ |s| and Σ s_ij (i + 2 j).
"""

import torch
from torch import nn

torch.set_default_dtype(torch.float64)

ROWS, INPUTS, CLASSES = 6, 5, 3
ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.01),
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def network(hidden, activation, norm):
    widths, layers = [INPUTS, *hidden, CLASSES], []
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        last = i + 1 == len(widths) - 1
        layers.append(nn.Linear(inputs, outputs, bias=last or norm == "none"))
        if not last:
            if norm != "none":
                layers.append(NORMS[norm](outputs))
            layers.append(ACTIVATIONS[activation]())
    model = nn.Sequential(*layers)
    # Layer by layer weight, then bias (of the layer or of its normalization), then γ.
    n = 0
    with torch.no_grad():
        for i, module in enumerate(layers):
            if not isinstance(module, nn.Linear):
                continue
            behind = layers[i + 1] if i + 1 < len(layers) else None
            normed = norm != "none" and behind is not None
            parts = [module.weight, behind.bias if normed else module.bias]
            for part in parts + ([behind.weight] if normed else []):
                values = [0.5 * torch.sin(torch.tensor(1.0 + 0.7 * (n + k))) for k in range(part.numel())]
                part.copy_(torch.stack(values).reshape(part.shape))
                n += part.numel()
    return model


def case(name, hidden, activation, norm, optimizer, smoothing):
    x = torch.tensor([[1.7 * i + 0.9 * j for j in range(INPUTS)] for i in range(ROWS)]).sin()
    y = torch.tensor([7 * i % CLASSES for i in range(ROWS)])
    model = network(hidden, activation, norm)
    weights = [m.weight for m in model if isinstance(m, nn.Linear)]
    others = [p for p in model.parameters() if all(p is not w for w in weights)]
    step = optimizer(weights, others)
    loss_of, losses = nn.CrossEntropyLoss(label_smoothing=smoothing), []
    for _ in range(2):
        for rows in (slice(0, 4), slice(4, 6)):
            step.zero_grad()
            loss = loss_of(model(x[rows]), y[rows])
            losses.append(loss.item())
            loss.backward()
            step.step()
    model.eval()
    s = model(x).detach()
    weight = torch.tensor([[i + 2.0 * j for j in range(CLASSES)] for i in range(ROWS)])
    sums = [s.sum().item(), s.abs().sum().item(), (s * weight).sum().item()]
    print(f'("{name}", {losses}, {sums}),')


def sgd(weights, others):
    return torch.optim.SGD(weights + others, lr=0.1, momentum=0.9, nesterov=True)


def adamw(weights, others):
    groups = [{"params": weights, "weight_decay": 0.2}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.05, betas=(0.9, 0.99), eps=1e-8)


def rmsprop(weights, others):
    return torch.optim.RMSprop(weights + others, lr=0.01, alpha=0.9, eps=1e-8, momentum=0.5)


case("leaky-relu", [4], "leaky-relu", "none", sgd, 0.0)
case("gelu, smoothed labels, AdamW", [4, 3], "gelu", "none", adamw, 0.1)
case("tanh, RMSprop", [4, 3], "tanh", "none", rmsprop, 0.0)
case("sigmoid", [4], "sigmoid", "none", sgd, 0.0)
case("batch normalization", [4, 3], "relu", "batch", sgd, 0.0)
case("batch normalization, gelu, AdamW", [4], "gelu", "batch", adamw, 0.1)
case("layer normalization", [60, 3], "relu", "layer", sgd, 0.0)
case("layer normalization, tanh, AdamW", [4], "tanh", "layer", adamw, 0.1)
