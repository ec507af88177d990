"""A gain and an offset per pixel, tanh, average pooling, max pooling, and a linear output.

The average is over neighbours in a row, the maximum over neighbours in a column; the loss is
the sum of squared errors.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 8, "height": 3, "width": 4},
    "medium": {"samples": 10, "height": 6, "width": 8},
}

WIDE = 2  # columns of an average
HIGH = 3  # rows of a maximum


def draw(rng, samples, height, width):
    images = rng.standard_normal((samples, height, width))
    targets = rng.standard_normal(samples)
    params = {
        "gain": rng.uniform(0.5, 1.5, (height, width)),
        "offset": 0.3 * rng.standard_normal((height, width)),
        "v": rng.standard_normal((height // HIGH, width // WIDE)),
        "c": rng.standard_normal(1),
    }
    return params, (images, targets)


def problem(rng, **size):
    # drawn again until every pixel is under some maximum, and no maximum is a close call
    while True:
        params, args = draw(rng, **size)
        columns = np.sort(stack_rows(average_pool(activate(params, args[0]))), axis=-1)
        clear = np.min(columns[..., -1] - columns[..., -2]) > 0.003
        if clear and all(np.all(entry != 0) for entry in gradient(params, *args).values()):
            return params, args


def near_kink(params, args, distance, rng):
    # in one window of one sample, two rows are zero and so alike, and the others lie below
    images, _ = args
    sample = int(rng.integers(len(images)))
    height, width = params["gain"].shape
    top, left = HIGH * int(rng.integers(height // HIGH)), WIDE * int(rng.integers(width // WIDE))
    window = slice(top, top + HIGH), slice(left, left + WIDE)
    level = np.zeros((HIGH, WIDE))
    level[2:] = -1.0
    level[0, 0] = distance
    offset = params["offset"].copy()
    offset[window] = level - (images[sample] * params["gain"])[window]
    return {**params, "offset": offset}


def activate(params, images):
    return np.tanh(images * params["gain"] + params["offset"])


def average_pool(a):
    N, H, W = a.shape
    return a.reshape(N, H, W // WIDE, WIDE).mean(axis=3)


def stack_rows(m):
    """The rows of each window of the maximum, along the last axis."""
    N, H, W = m.shape
    return m.reshape(N, H // HIGH, HIGH, W).transpose(0, 1, 3, 2)


def predict(params, images):
    pooled = np.max(stack_rows(average_pool(activate(params, images))), axis=-1)
    return np.sum(pooled * params["v"], axis=(1, 2)) + params["c"]


def loss(params, images, targets):
    return np.sum((predict(params, images) - targets) ** 2)


def max_pool_backward(dpooled, m):
    """Each maximum's gradient goes to the row that it came from."""
    dm = np.zeros_like(m)
    N, H, W = dpooled.shape
    for n in range(N):
        for i in range(H):
            for j in range(W):
                winner = np.argmax(m[n, HIGH * i : HIGH * (i + 1), j])
                dm[n, HIGH * i + winner, j] = dpooled[n, i, j]
    return dm


def average_pool_backward(dm):
    return np.repeat(dm, WIDE, axis=2) / WIDE


def gradient(params, images, targets):
    a = activate(params, images)
    m = average_pool(a)
    pooled = np.max(stack_rows(m), axis=-1)
    residual = predict(params, images) - targets
    dout = 2.0 * residual
    dv = np.einsum("n,nij->ij", dout, pooled)
    dc = np.sum(dout, keepdims=True)
    dpooled = dout[:, None, None] * params["v"]
    da = average_pool_backward(max_pool_backward(dpooled, m))
    dz = da * (1 - a * a)
    dgain = np.sum(dz * images, axis=0)
    doffset = np.sum(dz, axis=0)
    return {"gain": dgain, "offset": doffset, "v": dv, "c": dc}


MISTAKES = [
    Site("square-factor-forgotten", {"dout = 2.0 * residual": "dout = residual"}),
    Site("batch-mean-for-sum", {"dout = 2.0 * residual": "dout = 2.0 * residual / len(targets)"}),
    Site("delta-sign", {"dout = 2.0 * residual": "dout = -2.0 * residual"}),
    Site("hidden-sign", {"dz = da * (1": "dz = -da * (1"}),
    Site("derivative-missing", {"dz = da * (1 - a * a)": "dz = da"}),
    Site("derivative-elsewhere", {"(1 - a * a)": "(1 - np.tanh(a) ** 2)"}),
    Site("derivative-twice", {"(1 - a * a)": "(1 - a * a) ** 2"}),
    Site("pooling-divisor", {"axis=2) / WIDE": "axis=2)"}),
    Site("pooling-divisor", {"axis=2) / WIDE": "axis=2) / HIGH"}),
    Site("pooling-divisor", {"axis=2) / WIDE": "axis=2) / (WIDE * HIGH)"}),
    Site("pooling-index", {"np.repeat(dm, WIDE, axis=2)": "np.tile(dm, WIDE)"}),
    # the gradient of every maximum goes to the first row of its window
    Site("pooling-index", {"dm[n, HIGH * i + winner, j]": "dm[n, HIGH * i, j]"}),
    Site("pooling-index", {"np.argmax(m[n, ": "np.argmax(-m[n, "}),
    # to all of the window, as if it were an average
    Site("pooling-index", {"dm[n, HIGH * i + winner, j]": "dm[n, HIGH * i : HIGH * (i + 1), j]"}),
    Site(
        "upstream-dropped",
        {"dm[n, HIGH * i + winner, j] = dpooled[n, i, j]": "dm[n, HIGH * i + winner, j] = 1.0"},
    ),
    Site("path-left-out", {"np.sum(dz * images, axis=0)": "(dz * images)[-1]"}),
    Site("bias-one-sample", {"doffset = np.sum(dz, axis=0)": "doffset = dz[0]"}),
    Site("bias-mean", {"doffset = np.sum(dz, axis=0)": "doffset = np.mean(dz, axis=0)"}),
    Site(
        "bias-all-units",
        {"doffset = np.sum(dz, axis=0)": 'doffset = np.full_like(params["offset"], np.sum(dz))'},
    ),
    Site("bias-not-reduced", {"doffset = np.sum(dz, axis=0)": "doffset = dz"}),
    Site("cached-input", {"dz * images": "dz * a"}),
    Site(
        "bias-mean",
        {"dc = np.sum(dout, keepdims=True)": "dc = np.mean(dout, keepdims=True)"},
    ),
]
