"""Writes metrics.json: confusion matrices and what scikit-learn computes from them.

    python metrics.py > metrics.json      scikit-learn 1.7 or newer, numpy
"""

import json
import warnings

import numpy as np
import sklearn
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
)
from sklearn.utils.class_weight import compute_class_weight

warnings.filterwarnings("ignore")  # a class that is never predicted: zero_division's default, 0
generator = np.random.default_rng(7)


def case(name, classes, truth, predicted):
    labels = list(range(classes))
    each = precision_recall_fscore_support(truth, predicted, labels=labels)
    macro = precision_recall_fscore_support(truth, predicted, average="macro")
    present = np.unique(truth)
    return {
        "name": name,
        "counts": confusion_matrix(truth, predicted, labels=labels).tolist(),
        "precision": each[0].tolist(),
        "recall": each[1].tolist(),
        "f1": each[2].tolist(),
        "support": [int(n) for n in each[3]],
        "macro": [float(x) for x in macro[:3]],
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "present": present.tolist(),
        "balanced_weights": compute_class_weight(
            "balanced", classes=present, y=truth
        ).tolist(),
    }


def uneven(n, classes):
    shares = generator.dirichlet(np.full(classes, 0.5))
    return generator.choice(classes, size=n, p=shares)


truth = uneven(997, 10)
noisy = np.where(generator.random(997) < 0.6, truth, generator.integers(0, 10, 997))
cases = [
    case("ten uneven classes", 10, truth, noisy),
    case("one class is never predicted", 4, [0, 0, 1, 2, 3, 3], [0, 1, 1, 1, 0, 3]),
    case("all are predicted as one class", 3, [0, 1, 2, 2, 1], [1, 1, 1, 1, 1]),
    case("a class has no image and is predicted", 3, [0, 0, 1, 1], [0, 2, 1, 2]),
    case("a class has no image and is never predicted", 4, [0, 0, 1, 3], [0, 1, 1, 3]),
    case("nothing is right", 2, [0, 0, 0, 1], [1, 1, 1, 0]),
    case("a hundred classes", 100, *(generator.integers(0, 100, (2, 2500)))),
]
print(json.dumps({"sklearn": sklearn.__version__, "cases": cases}))
