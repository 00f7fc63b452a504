"""numpy and its OpenBLAS, written by hand, every product and sum into a buffer of its own."""

import peer

args = peer.arguments()

import numpy

pixels, labels = peer.made_up_images(numpy)
random = numpy.random.default_rng(2)


class Network:
    """Weights (in, out), velocities, gradients and activations, allocated once for `rows` rows."""

    def __init__(self, rows):
        pairs = list(zip(args.widths, args.widths[1:]))
        new = lambda *shape: numpy.zeros(shape, numpy.float32)
        self.weights = [
            (random.standard_normal(pair) * (2 / pair[0]) ** 0.5).astype(numpy.float32)
            for pair in pairs
        ]
        self.biases = [new(outputs) for _, outputs in pairs]
        self.d_weights, self.d_biases = [new(*pair) for pair in pairs], [new(o) for _, o in pairs]
        self.v_weights, self.v_biases = [new(*pair) for pair in pairs], [new(o) for _, o in pairs]
        self.z = [new(rows, outputs) for _, outputs in pairs]
        self.d_z = [new(rows, outputs) for _, outputs in pairs]
        self.rows = numpy.arange(rows)

    def forward(self, x):
        """Activations in self.z; the last are the scores."""
        last = len(self.z) - 1
        for i, z in enumerate(self.z):
            z = z[: len(x)]
            numpy.matmul(x, self.weights[i], out=z)
            z += self.biases[i]
            if i < last:
                numpy.maximum(z, 0, out=z)
            x = z
        return x

    def step(self, x, target):
        scores = self.forward(x)
        d = self.d_z[-1]
        numpy.subtract(scores, scores.max(1, keepdims=True), out=d)
        numpy.exp(d, out=d)
        d /= d.sum(1, keepdims=True)
        d[self.rows, target] -= 1
        d *= numpy.float32(1 / len(x))
        for i in reversed(range(len(self.z))):
            inputs = self.z[i - 1] if i else x
            numpy.matmul(inputs.T, self.d_z[i], out=self.d_weights[i])
            self.d_z[i].sum(0, out=self.d_biases[i])
            if i:
                numpy.matmul(self.d_z[i], self.weights[i].T, out=self.d_z[i - 1])
                self.d_z[i - 1] *= self.z[i - 1] > 0
        for i in range(len(self.z)):
            self.v_weights[i] *= numpy.float32(peer.MOMENTUM)
            self.v_weights[i] += self.d_weights[i]
            # v += l2 w; w -= lr v, with the gradient's buffer for what lies between
            numpy.multiply(self.weights[i], numpy.float32(peer.L2), out=self.d_weights[i])
            self.v_weights[i] += self.d_weights[i]
            rate = numpy.float32(peer.LEARNING_RATE)
            numpy.multiply(self.v_weights[i], rate, out=self.d_weights[i])
            self.weights[i] -= self.d_weights[i]
            self.v_biases[i] *= numpy.float32(peer.MOMENTUM)
            self.v_biases[i] += self.d_biases[i]
            self.biases[i] -= rate * self.v_biases[i]


def training(bytes_in_memory):
    def prepare():
        network = Network(args.batch)
        images = pixels if bytes_in_memory else peer.normalized(numpy, pixels)
        raw = numpy.empty((args.batch, peer.INPUTS), images.dtype)
        x = numpy.empty((args.batch, peer.INPUTS), numpy.float32) if bytes_in_memory else raw
        orders = peer.batches(lambda: random.permutation(peer.IMAGES), args.batch)

        def step():
            rows = next(orders)
            numpy.take(images, rows, axis=0, out=raw, mode="clip")
            if bytes_in_memory:
                numpy.subtract(raw, numpy.float32(peer.MEAN), out=x)
                numpy.multiply(x, numpy.float32(1 / peer.DEVIATION), out=x)
            network.step(x, labels[rows])
            return args.batch

        return step

    return prepare


def evaluation(rows):
    def prepare():
        network = Network(rows)
        images = peer.normalized(numpy, pixels[: peer.EVALUATION_IMAGES])

        def work():
            for start in range(0, len(images), rows):
                network.forward(images[start : start + rows]).argmax(1)
            return len(images)

        return work

    return prepare


if args.eval:
    candidates = {f"{rows} rows at once": evaluation(rows) for rows in (200, 1000, 10_000)}
else:
    candidates = {"f32 in memory": training(False), "bytes in memory": training(True)}
peer.serve(f"numpy {numpy.__version__}", {"f32": candidates})
