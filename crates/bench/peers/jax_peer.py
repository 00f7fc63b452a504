"""JAX on the CPU: the whole step in one `jit`, its buffers donated.

JAX takes as many threads as cores that the process may use, so --threads 1 is one core.
"""

import os

import peer

args = peer.arguments()
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
os.environ["JAX_PLATFORMS"] = "cpu"

from functools import partial

import jax
import jax.numpy as jnp
import numpy

pixels, labels = peer.made_up_images(numpy)
x_u8, y = jnp.asarray(pixels), jnp.asarray(labels.astype(numpy.int32))


def parameters():
    random = numpy.random.default_rng(2)
    layers = []
    for inputs, outputs in zip(args.widths, args.widths[1:]):
        scale = (2 / inputs) ** 0.5
        weights = (random.standard_normal((inputs, outputs)) * scale).astype(numpy.float32)
        layers.append((jnp.asarray(weights), jnp.zeros(outputs, jnp.float32)))
    return layers


def scores(layers, x):
    for weights, bias in layers[:-1]:
        x = jax.nn.relu(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


def loss(layers, x, target):
    logs = jax.nn.log_softmax(scores(layers, x))
    cross_entropy = -jnp.take_along_axis(logs, target[:, None], axis=1).mean()
    return cross_entropy + peer.L2 / 2 * sum((weights**2).sum() for weights, _ in layers)


def as_numbers(x):
    if x.dtype == jnp.uint8:
        return (x.astype(jnp.float32) - peer.MEAN) * (1 / peer.DEVIATION)
    return x


def step(layers, velocity, images, rows):
    gradient = jax.grad(loss)(layers, as_numbers(images[rows]), y[rows])
    velocity = jax.tree.map(lambda v, g: peer.MOMENTUM * v + g, velocity, gradient)
    layers = jax.tree.map(lambda p, v: p - peer.LEARNING_RATE * v, layers, velocity)
    return layers, velocity


def f32():
    return jnp.asarray(peer.normalized(numpy, pixels))


def one_step_a_call(images_of):
    def prepare():
        images = images_of()
        state = [parameters(), jax.tree.map(jnp.zeros_like, parameters())]
        random = numpy.random.default_rng(3)
        order = lambda: random.permutation(peer.IMAGES).astype(numpy.int32)
        orders = peer.batches(order, args.batch)
        call = jax.jit(step, donate_argnums=(0, 1))

        def work():
            state[:] = call(*state, images, next(orders))
            jax.block_until_ready(state)
            return args.batch

        return work

    return prepare


def many_steps_a_call(images_of, steps=32):
    """A loop inside the compiled program: no return to Python between the steps."""

    @partial(jax.jit, donate_argnums=(0, 1))
    def call(layers, velocity, images, rows):
        def body(state, rows):
            return step(*state, images, rows), None

        return jax.lax.scan(body, (layers, velocity), rows)[0]

    def prepare():
        images = images_of()
        state = [parameters(), jax.tree.map(jnp.zeros_like, parameters())]
        random = numpy.random.default_rng(3)
        order = lambda: random.permutation(peer.IMAGES).astype(numpy.int32)
        orders = peer.batches(order, args.batch)

        def work():
            rows = numpy.stack([next(orders) for _ in range(steps)])
            state[:] = call(*state, images, rows)
            jax.block_until_ready(state)
            return steps * args.batch

        return work

    return prepare


def evaluation(rows):
    def prepare():
        images, layers = f32()[: peer.EVALUATION_IMAGES], parameters()
        parts = [images[start : start + rows] for start in range(0, len(images), rows)]
        call = jax.jit(lambda layers, x: scores(layers, x).argmax(1))

        def work():
            jax.block_until_ready([call(layers, part) for part in parts])
            return len(images)

        return work

    return prepare


if args.eval:
    candidates = {f"{rows} rows at once": evaluation(rows) for rows in (200, 1000, 10_000)}
else:
    candidates = {
        "a step a call, f32 in memory": one_step_a_call(f32),
        "a step a call, bytes in memory": one_step_a_call(lambda: x_u8),
        "32 steps a call, f32 in memory": many_steps_a_call(f32),
        "32 steps a call, bytes in memory": many_steps_a_call(lambda: x_u8),
    }
peer.serve(f"JAX {jax.__version__}", candidates)
