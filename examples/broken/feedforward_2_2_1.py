"""The 2-2-1 classifier, with the derivative of its output in place of that of its cost.

Back-propagation starts from 1, as for d out/dw, while the finite difference perturbs the cost
½ (out − target)². With a single pattern that leaves out the one factor (out − target), so the whole
gradient is 1 / (out − target) times what it should be.
"""

import numpy as np

import tricheck
from examples.feedforward_2_2_1 import (
    FloatArray,
    Layer,
    backward,
    forward,
    loss,
    params,
    target,
    x,
)

EXPECTED = {
    "verdict": "backprop",
    "cause": "scale",
    "parameters": ["params[0].W", "params[0].b", "params[1].W", "params[1].b"],
}


def gradient(layers: list[Layer], x: FloatArray, target: FloatArray) -> list[Layer]:
    outputs = forward(layers, x)
    # d out/d out = 1
    return backward(layers, outputs, np.ones_like(target))


model = tricheck.Model(loss, gradient, params, args=(x, target), name="broken_feedforward_2_2_1")

if __name__ == "__main__":
    print(tricheck.check(model))
