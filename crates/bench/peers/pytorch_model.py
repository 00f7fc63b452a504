"""The network and the optimizer as PyTorch has them, for both PyTorch peers."""

import torch
from torch import nn


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
