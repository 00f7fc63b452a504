"""The numbers that the Rust peers' --check expects: five steps in numpy, in f64.

    python check.py

Hidden layers of 20 and 15 units; the rate and the penalty are so large that an error in
either, in the momentum or in any gradient moves the loss. The numbers are made by
SplitMix64, as in peer/src/random.rs, and read off into peer/src/check.rs.
"""

import numpy

WIDTHS = [3072, 20, 15, 10]
IMAGES, BATCH = 40, 8
RATE, MOMENTUM, L2 = 0.01, 0.9, 0.1

drawn = 0


def bits(count):
    """The next `count` values of SplitMix64 that starts from 1."""
    global drawn
    k = numpy.arange(drawn + 1, drawn + 1 + count, dtype=numpy.uint64)
    drawn += count
    z = numpy.uint64(1) + k * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def start(inputs, outputs):
    unit = (bits(inputs * outputs) >> numpy.uint64(40)).astype(float) / 2**24
    return ((6 / inputs) ** 0.5 * (2 * unit - 1)).reshape(inputs, outputs)


x = (bits(IMAGES * WIDTHS[0]) & numpy.uint64(255)).astype(float).reshape(IMAGES, -1)
x = (x - 128) / 64
y = (bits(IMAGES) % numpy.uint64(10)).astype(int)
weights = [start(*pair) for pair in zip(WIDTHS, WIDTHS[1:])]
biases = [numpy.zeros(outputs) for outputs in WIDTHS[1:]]
v_weights, v_biases = [0] * len(weights), [0] * len(weights)


def forward(x):
    """The input of each layer, and the scores."""
    activations = [x]
    for i, (w, b) in enumerate(zip(weights, biases)):
        z = activations[-1] @ w + b
        activations.append(numpy.maximum(z, 0) if i + 1 < len(weights) else z)
    return activations


def probabilities(scores):
    e = numpy.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def loss(rows):
    p = probabilities(forward(x[rows])[-1])
    return -numpy.log(p[numpy.arange(BATCH), y[rows]]).mean()


def step(rows):
    *activations, scores = forward(x[rows])
    d = probabilities(scores)
    d[numpy.arange(BATCH), y[rows]] -= 1
    d /= BATCH
    for i in reversed(range(len(weights))):
        d_w, d_b = activations[i].T @ d, d.sum(0)
        d = (d @ weights[i].T) * (activations[i] > 0)
        v_weights[i] = MOMENTUM * v_weights[i] + d_w + L2 * weights[i]
        v_biases[i] = MOMENTUM * v_biases[i] + d_b
        weights[i] = weights[i] - RATE * v_weights[i]
        biases[i] = biases[i] - RATE * v_biases[i]


print("classes", "".join(str(k) for k in forward(x)[-1].argmax(1)))
first = slice(0, BATCH)
print(f"loss {loss(first):.6f}")
for n in range(IMAGES // BATCH):
    step(slice(n * BATCH, (n + 1) * BATCH))
print(f"after five steps {loss(first):.6f}")
