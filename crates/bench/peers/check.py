"""Five steps of SGD in numpy, in f64: what a peer's --check holds it to.

    python check.py

prints the numbers that the Rust peers expect (peer/src/check.rs): two hidden layers of 20 and 15
units. The rate and the penalty are so large that an error in either, in the momentum or in any
gradient moves the loss. All numbers are made by SplitMix64, as in peer/src/random.rs.
"""

import numpy

RATE, MOMENTUM, L2 = 0.01, 0.9, 0.1


class Reference:
    """A network of these widths, and images and labels for five steps of `batch`."""

    def __init__(self, widths, batch):
        self.drawn, self.batch = 0, batch
        x = (self.bits(5 * batch * widths[0]) & numpy.uint64(255)).astype(float)
        self.x = (x.reshape(5 * batch, -1) - 128) / 64
        self.y = (self.bits(5 * batch) % numpy.uint64(10)).astype(int)
        self.weights = [self.start(*pair) for pair in zip(widths, widths[1:])]
        self.biases = [numpy.zeros(outputs) for outputs in widths[1:]]
        self.v_weights, self.v_biases = [0] * len(self.weights), [0] * len(self.weights)

    def bits(self, count):
        """The next `count` values of SplitMix64 that starts from 1."""
        k = numpy.arange(self.drawn + 1, self.drawn + 1 + count, dtype=numpy.uint64)
        self.drawn += count
        z = numpy.uint64(1) + k * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return z ^ (z >> numpy.uint64(31))

    def start(self, inputs, outputs):
        unit = (self.bits(inputs * outputs) >> numpy.uint64(40)).astype(float) / 2**24
        return ((6 / inputs) ** 0.5 * (2 * unit - 1)).reshape(inputs, outputs)

    def forward(self, x):
        """The input of each layer, and the scores."""
        activations = [x]
        for i, (w, b) in enumerate(zip(self.weights, self.biases)):
            z = activations[-1] @ w + b
            activations.append(numpy.maximum(z, 0) if i + 1 < len(self.weights) else z)
        return activations

    def loss(self):
        """Of the first batch."""
        rows = slice(0, self.batch)
        p = probabilities(self.forward(self.x[rows])[-1])
        return -numpy.log(p[numpy.arange(self.batch), self.y[rows]]).mean()

    def step(self, rows):
        *activations, scores = self.forward(self.x[rows])
        d = probabilities(scores)
        d[numpy.arange(self.batch), self.y[rows]] -= 1
        d /= self.batch
        for i in reversed(range(len(self.weights))):
            d_w, d_b = activations[i].T @ d, d.sum(0)
            d = (d @ self.weights[i].T) * (activations[i] > 0)
            self.v_weights[i] = MOMENTUM * self.v_weights[i] + d_w + L2 * self.weights[i]
            self.v_biases[i] = MOMENTUM * self.v_biases[i] + d_b
            self.weights[i] = self.weights[i] - RATE * self.v_weights[i]
            self.biases[i] = self.biases[i] - RATE * self.v_biases[i]

    def five_steps(self):
        for start in range(0, 5 * self.batch, self.batch):
            self.step(slice(start, start + self.batch))


def probabilities(scores):
    e = numpy.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


if __name__ == "__main__":
    reference = Reference([3072, 20, 15, 10], 8)
    scores = reference.forward(reference.x)[-1]
    print("classes", "".join(str(k) for k in scores.argmax(1)))
    print(f"loss {reference.loss():.6f}")
    reference.five_steps()
    print(f"after five steps {reference.loss():.6f}")
