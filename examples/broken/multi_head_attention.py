"""Multi-head attention, the factors of the output projection's gradient swapped.

dE/dWo = mergedᵀ dE/d out, over all tokens, is computed as (dE/d out)ᵀ merged, which is its
transpose. Wo is square, so the shape gives nothing away; the other gradients do not pass through
that of Wo and are right.
"""

import tricheck
from examples.multi_head_attention import (
    FloatArray,
    Params,
    forward,
    inner_gradients,
    loss,
    params,
    targets,
    weight_gradient,
)

EXPECTED = {"verdict": "backprop", "cause": "transposed", "parameters": ["Wo"]}


def gradient(params: Params, targets: FloatArray) -> Params:
    out, cache = forward(params)
    # dE/d out, for the ½ cancels the 2 of the square
    dout = (out - targets) / len(out)
    # out = merged Wo
    dWo = weight_gradient(dout, cache.merged)
    dmerged = dout @ params["Wo"].T
    return {**inner_gradients(params, dmerged, cache), "Wo": dWo}


model = tricheck.Model(loss, gradient, params, args=(targets,), name="broken_multi_head_attention")

if __name__ == "__main__":
    print(tricheck.check(model))
