"""Makes tests/python/: small files as CIFAR's Python version has them, as numpy pickles them.

    python python_version.py ../python

Value j of image r is (7 j + 31 r) mod 251. The official files were written by Python 2, which is not
at hand; the tests write its operations themselves.
"""

import pathlib
import pickle
import sys

import numpy

out = pathlib.Path(sys.argv[1])
data = numpy.array([[(7 * j + 31 * r) % 251 for j in range(3072)] for r in range(2)], dtype=numpy.uint8)


def dump(name, value, protocol):
    (out / name).write_bytes(pickle.dumps(value, protocol=protocol))


for protocol in (2, 3, 4, 5):
    ten = {b"batch_label": b"training batch 1 of 5", b"labels": [7, 0], b"data": data, b"filenames": [b"a.png", b"b.png"]}
    dump(f"ten-{protocol}.pickle", ten, protocol)
dump("arrays-4.pickle", {"labels": numpy.array([7, 0]), "data": data.reshape(2, 3, 32, 32)}, 4)
dump("scalars-4.pickle", {"labels": [numpy.int64(7), numpy.uint8(0)], "data": data}, 4)
hundred = {"fine_labels": [99, 3], "coarse_labels": [19, 0], "data": data, "filenames": ["a.png", "b.png"]}
dump("hundred-2.pickle", hundred, 2)
# What is refused.
dump("floats-4.pickle", {"labels": [7, 0], "data": data.astype(numpy.float32)}, 4)
dump("meta-2.pickle", {b"label_names": [b"airplane"], b"num_vis": 3072}, 2)
