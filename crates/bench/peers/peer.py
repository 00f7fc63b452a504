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
it prints says what it tried and what each reached. Candidates differ in precision, too.
`run SECONDS` is for the fastest of f32. Where another precision is faster, the line names
that candidate as `best`, and `run SECONDS best` is for it.
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

TRIAL_SECONDS, TRIALS = 0.5, 2


def arguments():
    """Parses the command line, and tells the thread pools their size before they start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", default="100", help="hidden widths, as in 512,256")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--eval", action="store_true", help="classify instead of training")
    parser.add_argument("--check", action="store_true", help="compare with numpy in f64, and end")
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
    """Tries the candidates and serves the fastest of f32, and that of all as `best`.

    `candidates` is a dict of precision to a dict of name to function. A function is called without
    arguments and returns its `work`; one that fails on this machine is left out, and the line says
    why.
    """
    tried, works, speeds = {}, {}, {}
    for precision, prepare_by_name in candidates.items():
        for name, prepare in prepare_by_name.items():
            try:
                work = prepare()
                measure(work, TRIAL_SECONDS)  # the first calls compile and allocate
            except Exception as error:
                tried[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            else:
                works[precision, name] = work
    # Twice in turns, and the better counts: a disturbance of a moment decides nothing.
    for trial in range(TRIALS):
        for key, work in works.items():
            speed = measure(work, TRIAL_SECONDS)["images_per_second"]
            speeds[key] = max(speed, speeds.get(key, 0.0))
    tried |= {name: round(speed) for (_, name), speed in speeds.items()}
    in_f32 = [key for key in speeds if key[0] == "f32"]
    if not in_f32:
        sys.exit(f"no setting worked: {tried}")
    plain, best = (max(keys, key=speeds.get) for keys in (in_f32, speeds))
    ready = {"version": version, "setting": plain[1], "tried": tried}
    if best != plain:
        ready["best"] = best[1]
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        match line.split():
            case ["run", seconds]:
                work = works[plain]
            case ["run", seconds, "best"]:
                work = works[best]
            case _:
                sys.exit(f"expected `run SECONDS` or `run SECONDS best`, not `{line.strip()}`")
        print(json.dumps(measure(work, float(seconds))), flush=True)
