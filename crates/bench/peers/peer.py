"""What the peers share: the arguments, the work's numbers, and the protocol.

A peer is a process that lives through a whole comparison. It prints one line of
JSON when it is ready; then, for each line `run SECONDS` on its standard input, it
works for about so long and answers with one line

    {"images_per_second": 61234.5, "images": 61440, "seconds": 1.003}

so that the driver can let it and its rivals take turns within the same minutes. It
ends when its input does.

The work is always the same: 50,000 images of 3072 values in memory, a new order for
each pass, a minibatch gathered, 3072 -> hidden -> 10 with ReLU, softmax
cross-entropy, backward, SGD with momentum 0.9 and L2. With --eval, 10,000 images
are classified instead.

A framework can be used in several ways. A peer offers each as a candidate, tries
them all for a moment before it is ready, and goes on with the fastest; the line that
it prints says what it tried and what each reached.
"""

import argparse
import json
import os
import sys
import time

IMAGES = 50_000
EVALUATION_IMAGES = 10_000
INPUTS = 3072
CLASSES = 10
LEARNING_RATE = 1e-4  # small, so that made-up images can't make the loss overflow
MOMENTUM = 0.9
L2 = 1e-4
MEAN, DEVIATION = 128.0, 64.0  # normalized = (pixel - MEAN) / DEVIATION

TRIAL_SECONDS = 0.7


def arguments():
    """Parses the command line, and tells the thread pools their size before they start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", default="100", help="hidden widths, as in 512,256")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--eval", action="store_true", help="classify instead of training")
    args = parser.parse_args()
    args.widths = [INPUTS, *(int(width) for width in args.hidden.split(",")), CLASSES]
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(args.threads)
    return args


def made_up_images(numpy):
    """Pixels (IMAGES, INPUTS) u8 and labels (IMAGES,) i64, the same on every run."""
    random = numpy.random.default_rng(1)
    pixels = random.integers(0, 256, (IMAGES, INPUTS), dtype=numpy.uint8)
    labels = random.integers(0, CLASSES, IMAGES, dtype=numpy.int64)
    return pixels, labels


def normalized(numpy, pixels):
    """All pixels as normalized f32."""
    out = numpy.empty(pixels.shape, numpy.float32)
    numpy.subtract(pixels, numpy.float32(MEAN), out=out)
    out *= numpy.float32(1 / DEVIATION)
    return out


def batches(shuffle, batch):
    """Minibatches of a new order for each pass, without end; a short last one is left out."""
    while True:
        order = shuffle()
        for start in range(0, IMAGES - batch + 1, batch):
            yield order[start : start + batch]


def measure(work, seconds):
    """Repeats `work`, which returns the number of images it did, for about `seconds`."""
    images, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        images += work()
    return {"images_per_second": images / passed, "images": images, "seconds": passed}


def serve(version, candidates):
    """Tries the candidates, a dict of name to function, and serves the fastest of them.

    A candidate is called without arguments and returns its `work`; one that fails on
    this machine is left out, and the line says why.
    """
    tried, best, best_speed = {}, None, 0.0
    for name, prepare in candidates.items():
        try:
            work = prepare()
            measure(work, TRIAL_SECONDS / 2)  # the first calls compile and allocate
            speed = measure(work, TRIAL_SECONDS)["images_per_second"]
        except Exception as error:
            tried[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            continue
        tried[name] = round(speed)
        if speed > best_speed:
            best, best_speed, setting = work, speed, name
    if best is None:
        sys.exit(f"no setting worked: {tried}")
    print(json.dumps({"version": version, "setting": setting, "tried": tried}), flush=True)
    for line in sys.stdin:
        command, seconds = line.split()
        if command != "run":
            sys.exit(f"the one command is `run SECONDS`, not `{line.strip()}`")
        print(json.dumps(measure(best, float(seconds))), flush=True)
