"""Layers of a course, with a cache: affine with a ReLU, and affine with a softmax.

::

    out = max(x w + b, 0)
    out = softmax of x w + b, row by row,        d outₖ/dsⱼ = outₖ (δₖⱼ − outⱼ)
"""

import numpy as np
import numpy.typing as npt

import tricheck

FloatArray = npt.NDArray[np.float64]
Cache = tuple[FloatArray, FloatArray, FloatArray]
Gradients = tuple[FloatArray, FloatArray, FloatArray]


def affine_relu_forward(x: FloatArray, w: FloatArray, b: FloatArray) -> tuple[FloatArray, Cache]:
    out = np.maximum(0, x.dot(w) + b)
    return out, (x, w, out)


def affine_relu_backward(dout: FloatArray, cache: Cache) -> Gradients:
    x, w, out = cache
    dscores = dout * (out > 0)
    dx = dscores.dot(w.T)
    dw = x.T.dot(dscores)
    db = np.sum(dscores, axis=0)
    return dx, dw, db


def softmax_forward(x: FloatArray, w: FloatArray, b: FloatArray) -> tuple[FloatArray, Cache]:
    scores = x.dot(w) + b
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return p, (x, w, p)


def softmax_backward(dout: FloatArray, cache: Cache) -> Gradients:
    x, w, p = cache
    ds = p * (dout - np.sum(dout * p, axis=1, keepdims=True))
    return ds.dot(w.T), x.T.dot(ds), np.sum(ds, axis=0)


# five samples of four features, three outputs
rng = np.random.default_rng(110)
inputs = {
    "x": rng.standard_normal((5, 4)),
    "w": rng.standard_normal((4, 3)),
    "b": rng.standard_normal(3),
}

affine_relu = tricheck.Model.from_layer(
    affine_relu_forward, affine_relu_backward, inputs, name="affine_relu"
)
softmax = tricheck.Model.from_layer(softmax_forward, softmax_backward, inputs, name="softmax_layer")
