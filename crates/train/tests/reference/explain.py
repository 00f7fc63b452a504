"""Writes the model files of tests/explain/ and what PyTorch's autograd says of them, expected.json.

Every quantity is computed in f64 by torch.nn and torch.autograd, from the pixels on: the contrast
normalization and the standardization are part of the graph.

    gradient              d score of the class / d pixels, the class being the network's answer
    gradient_times_input  x * d score / d x, x what the first layer reads
    mean_gradient         the mean of the gradient at pixels + noise, for the noise below
    activations           of the first hidden layer, and d score / d activations beside them
    step                  the least k of 1 ... 255 for which clamp(pixels + k sign(d loss / d pixels))
                          has another answer, and that answer; the loss is cross_entropy(scores, answer)
    least_step            the same with steps of 1/64 above step - 1

    pip install torch safetensors; python explain.py
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = pathlib.Path(__file__).parent.parent / "explain"
SHAPE, CLASSES, IMAGES = (3, 4, 4), 5, 3
INPUTS = 48
PIXELS = torch.tensor([[(i * 37 + j * 101 + j * j) % 256 for j in range(INPUTS)] for i in range(1, IMAGES + 1)])
NOISE = torch.tensor([[(n * 37 + j * 11 + n * j) % 41 - 20 for j in range(INPUTS)] for n in range(4)]).double()
torch.manual_seed(0)


def network(hidden, activation, norm):
    layers, widths = [], [INPUTS, *hidden]
    for i, (inputs, outputs) in enumerate(zip(widths, hidden), 1):
        layers.append((f"fc{i}", nn.Linear(inputs, outputs, bias=norm != nn.LayerNorm)))
        if norm:
            layers.append((f"norm{i}", norm(outputs)))
        layers.append((f"act{i}", activation))
    layers.append((f"fc{len(hidden) + 1}", nn.Linear(widths[-1], CLASSES)))
    net = nn.Sequential()
    for name, layer in layers:
        net.add_module(name, layer)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.ndim == 2:
                value.copy_(torch.randn_like(value) * (2 / value.shape[1]) ** 0.5)
            elif name.endswith(("norm1.weight", "norm2.weight", "var")):
                value.copy_(0.5 + torch.rand_like(value))
            elif value.ndim == 1:
                value.copy_(torch.randn_like(value) * 0.3)
    return net


def prepare(pixels, mean, std, contrast):
    if contrast is not None:
        center = pixels - pixels.mean(-1, keepdim=True)
        pixels = center / (pixels.var(-1, unbiased=False, keepdim=True) + contrast).sqrt()
    return (pixels - mean) / std


def write(expected, name, hidden, activation=None, norm=None, channels=True, contrast=None):
    net = network(hidden, {"relu": nn.ReLU(), "leaky-relu": nn.LeakyReLU(), "gelu": nn.GELU("tanh"),
                           "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), None: None}[activation], norm)
    scale = 1 if contrast is None else 0.01
    number = 3 if channels else INPUTS
    mean = scale * (100 + 40 * torch.rand(number))
    std = scale * (50 + 30 * torch.rand(number))
    tensors = {k: v.float() for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    tensors |= {"input.mean": mean, "input.std": std}
    if contrast is not None:
        tensors["input.contrast"] = torch.tensor([contrast])
    metadata = {"image": "3x4x4", "classes": json.dumps([f"c{i}" for i in range(CLASSES)])}
    if activation not in (None, "relu"):
        metadata["activation"] = activation
    save_file(tensors, FOLDER / f"{name}.safetensors", metadata)

    net = net.double().eval()
    wide = lambda a: a.float().double().repeat_interleave(INPUTS // number)
    inputs = lambda p: prepare(p, wide(mean), wide(std), contrast)
    of_image = []
    for image in PIXELS.double().split(1):
        pixels = image.clone().requires_grad_()
        x = inputs(pixels)
        x.retain_grad()
        a = x
        for i, layer in enumerate(net):
            a = layer(a)
            if i == {None: 1}.get(norm, 2) and hidden:
                first = a
                first.retain_grad()
        [scores] = a
        answer = scores.argmax().item()
        scores[answer].backward()
        found = {"answer": answer, "scores": scores.tolist(), "gradient": pixels.grad[0].tolist(),
                 "gradient_times_input": (x * x.grad)[0].tolist()}
        if hidden:
            found |= {"activations": first[0].tolist(), "activation_gradients": first.grad[0].tolist()}
        noisy = (image + NOISE).requires_grad_()
        net(inputs(noisy))[:, answer].sum().backward()
        found["mean_gradient"] = noisy.grad.mean(0).tolist()
        pixels = image.clone().requires_grad_()
        nn.functional.cross_entropy(net(inputs(pixels)), torch.tensor([answer])).backward()
        moved = lambda step: net(inputs((image + step * pixels.grad.sign()).clamp(0, 255))).argmax().item()
        step = next((k for k in range(1, 256) if moved(k) != answer), None)
        if step:
            found |= {"step": step, "new_answer": moved(step)}
            found["least_step"] = next(s for s in (step - 1 + k / 64 for k in range(1, 65)) if moved(s) != answer)
        of_image.append(found)
    expected[name] = of_image


def main():
    FOLDER.mkdir(exist_ok=True)
    expected = {}
    write(expected, "linear", [])
    write(expected, "linear_contrast", [], contrast=10.0, channels=False)
    write(expected, "relu", [12], "relu")
    write(expected, "leaky_deep", [12, 9], "leaky-relu", channels=False)
    write(expected, "gelu_layer", [12, 9], "gelu", nn.LayerNorm)
    write(expected, "tanh_contrast", [12], "tanh", contrast=10.0)
    write(expected, "sigmoid_batch", [12, 9], "sigmoid", nn.BatchNorm1d)
    write(expected, "relu_layer_contrast", [12], "relu", nn.LayerNorm, contrast=10.0, channels=False)
    text = {"pixels": PIXELS.tolist(), "noise": NOISE.tolist(), "models": expected}
    (FOLDER / "expected.json").write_text(json.dumps(text) + "\n")


main()
