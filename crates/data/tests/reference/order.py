"""The random orders of crates/data, computed from the publications alone.

SplitMix64 (Steele, Lea and Flood 2014), PCG-XSL-RR-128/64 (O'Neill 2014), Lemire's bounded
integers (2019) and Fisher-Yates, in plain Python integers. Prints the values that the tests in
src/random.rs hold the Rust code to. Needs no package; with numpy, its PCG64 checks ours.
"""

import hashlib
import struct

M64, M128 = 2**64 - 1, 2**128 - 1
GAMMA = 0x9E3779B97F4A7C15
SPLIT, ORDER = 1, 2


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & M64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & M64
    return z ^ (z >> 31)


class Pcg64:
    MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645

    def __init__(self, state, stream):
        self.increment = (stream << 1 | 1) & M128
        self.state = state + self.increment
        self.step()

    def step(self):
        self.state = (self.state * self.MULTIPLIER + self.increment) & M128

    def next(self):
        self.step()
        rotate = self.state >> 122
        x = (self.state >> 64 ^ self.state) & M64
        return (x >> rotate | x << (64 - rotate)) & M64


def generator(seed, purpose, counter):
    key = 0
    for word in (seed, purpose, counter):
        key = mix(((key ^ word) + GAMMA) & M64)
    a, b, c, d = (mix((key + GAMMA * i) & M64) for i in (1, 2, 3, 4))
    return Pcg64(a << 64 | b, c << 64 | d)


def below(rng, bound):
    """The upper half of x * bound, drawn anew while the lower half is below 2^32 mod bound."""
    while True:
        product = (rng.next() >> 32) * bound
        if product % 2**32 >= 2**32 % bound:
            return product >> 32


def shuffled(items, rng):
    items = list(items)
    for i in range(len(items) - 1, 0, -1):
        j = below(rng, i + 1)
        items[i], items[j] = items[j], items[i]
    return items


def sha256(items):
    return hashlib.sha256(struct.pack(f"<{len(items)}I", *items)).hexdigest()


def split(n, validation, seed):
    indices = shuffled(range(n), generator(seed, SPLIT, 0))
    return sorted(indices[validation:]), sorted(indices[:validation])


# Rosetta Code's values for SplitMix64 from the seed 1234567.
assert [mix(1234567 + GAMMA * i & M64) for i in (1, 2, 3)] == [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
]

try:
    from numpy.random import PCG64

    ours, theirs = generator(7, ORDER, 3), PCG64()
    state = theirs.state
    state["state"] = {"state": ours.state, "inc": ours.increment}
    theirs.state = state
    assert [ours.next() for _ in range(1000)] == list(map(int, theirs.random_raw(1000)))
    print("PCG64 agrees with numpy")
except ImportError:
    pass

rng = generator(7, ORDER, 3)
print("raw (7, order, 3)", [hex(rng.next()) for _ in range(3)])
rng = generator(7, ORDER, 3)
print("below 3e9", [below(rng, 3_000_000_000) for _ in range(8)])
print("order of 10, seed 0, epoch 0", shuffled(range(10), generator(0, ORDER, 0)))
print("order of 10, seed 0, epoch 1", shuffled(range(10), generator(0, ORDER, 1)))
print("order of 10, seed 2^64-1, epoch 2^32-1", shuffled(range(10), generator(M64, ORDER, 2**32 - 1)))
train, validation = split(50_000, 5_000, 0)
print("split", validation[:5], sha256(train), sha256(validation))
print("order of that, seed 0, epoch 3", sha256(shuffled(train, generator(0, ORDER, 3))))
