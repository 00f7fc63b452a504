"""scikit-learn's MLPClassifier, by partial_fit: one minibatch a call, or sixteen."""

import warnings

import peer

args = peer.arguments()

import numpy
import sklearn
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
pixels, labels = peer.made_up_images(numpy)
images = peer.normalized(numpy, pixels)
random = numpy.random.default_rng(2)


def network():
    return MLPClassifier(
        hidden_layer_sizes=args.widths[1:-1],
        solver="sgd",
        alpha=peer.L2 * args.batch,  # it divides by the rows of the batch
        batch_size=args.batch,
        learning_rate_init=peer.LEARNING_RATE,
        momentum=peer.MOMENTUM,
        nesterovs_momentum=False,
        random_state=1,
    )


def training(batches_a_call):
    def prepare():
        model = network()
        rows_a_call = args.batch * batches_a_call
        orders = peer.batches(lambda: random.permutation(peer.IMAGES), rows_a_call)
        classes = numpy.arange(peer.CLASSES)

        def step():
            rows = next(orders)
            model.partial_fit(images[rows], labels[rows], classes=classes)
            return rows_a_call

        return step

    return prepare


def evaluation(rows):
    def prepare():
        model = network().partial_fit(
            images[: args.batch], labels[: args.batch], classes=numpy.arange(peer.CLASSES)
        )

        def work():
            for start in range(0, peer.EVALUATION_IMAGES, rows):
                model.predict(images[start : min(start + rows, peer.EVALUATION_IMAGES)])
            return peer.EVALUATION_IMAGES

        return work

    return prepare


if args.eval:
    candidates = {f"{rows} rows at once": evaluation(rows) for rows in (200, 1000, 10_000)}
else:
    candidates = {"a batch a call": training(1), "16 batches a call": training(16)}
peer.serve(f"scikit-learn {sklearn.__version__}", candidates)
