"""Single-head self-attention, plain or causal, with the mean over time read out by a softmax.

Q = X Wq, K = X Wk, V = X Wv, A = softmax(Q Kᵀ / √d) over the allowed positions, context = A V,
logits = mean over time of the context, times Wo, + bo; cross-entropy averaged over the batch.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"batch": 6, "steps": 5, "model": 4, "key": 2, "value": 3, "classes": 2},
    "causal": {
        "batch": 3,
        "steps": 4,
        "model": 3,
        "key": 2,
        "value": 3,
        "classes": 5,
        "causal": True,
    },
    "medium": {"batch": 3, "steps": 7, "model": 6, "key": 5, "value": 4, "classes": 2},
}


def problem(rng, batch, steps, model, key, value, classes, causal=False):
    X = rng.standard_normal((batch, steps, model))
    labels = np.minimum(np.arange(batch) % (classes + 1), classes - 1)  # not balanced
    allowed = (
        np.tril(np.ones((steps, steps), dtype=bool)) if causal else np.full((steps, steps), True)
    )
    params = {
        "Wq": rng.standard_normal((model, key)),
        "Wk": rng.standard_normal((model, key)),
        "Wv": rng.standard_normal((model, value)),
        "Wo": rng.standard_normal((value, classes)),
        "bo": rng.standard_normal(classes),
    }
    return params, (X, labels, allowed)


def softmax(scores):
    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def attend(params, X, allowed):
    Q = np.einsum("btd,dk->btk", X, params["Wq"])
    K = np.einsum("btd,dk->btk", X, params["Wk"])
    V = np.einsum("btd,dv->btv", X, params["Wv"])
    scores = np.einsum("btk,bsk->bts", Q, K) / Q.shape[-1] ** 0.5
    A = softmax(np.where(allowed, scores, -1e30))
    return Q, K, V, A


def readout(params, A, V):
    context = np.einsum("bts,bsv->btv", A, V)
    pooled = np.mean(context, axis=1)
    return pooled, pooled @ params["Wo"] + params["bo"]


def loss(params, X, labels, allowed):
    _, _, V, A = attend(params, X, allowed)
    _, logits = readout(params, A, V)
    top = np.max(logits, axis=1)
    log_total = top + np.log(np.sum(np.exp(logits - top[:, None]), axis=1))
    return np.mean(log_total - logits[np.arange(len(labels)), labels])


def gradient(params, X, labels, allowed):
    Q, K, V, A = attend(params, X, allowed)
    pooled, logits = readout(params, A, V)
    batch, steps, _ = X.shape

    p = softmax(logits)
    dlogits = np.copy(p)
    dlogits[np.arange(batch), labels] -= 1
    dlogits = dlogits / batch
    dWo = np.einsum("bv,bc->vc", pooled, dlogits)
    dbo = dlogits.sum(axis=0)

    dpooled = dlogits @ params["Wo"].T
    dcontext = np.repeat(dpooled[:, None, :], steps, axis=1) / steps
    dV = np.einsum("bts,btv->bsv", A, dcontext)
    dA = np.einsum("btv,bsv->bts", dcontext, V)

    dscores = A * (dA - np.sum(A * dA, axis=-1, keepdims=True))
    dscores = dscores / Q.shape[-1] ** 0.5
    dQ = np.einsum("bts,bsk->btk", dscores, K)
    dK = np.einsum("bts,btk->bsk", dscores, Q)

    return {
        "Wq": np.einsum("btd,btk->dk", X, dQ),
        "Wk": np.einsum("btd,btk->dk", X, dK),
        "Wv": np.einsum("btd,btv->dv", X, dV),
        "Wo": dWo,
        "bo": dbo,
    }


MISTAKES = [
    Site("batch-sum-for-mean", {"dlogits = dlogits / batch\n": "dlogits = 1 * dlogits\n"}),
    Site("output-mean", {"dlogits = dlogits / batch\n": "dlogits = dlogits / dlogits.size\n"}),
    Site("delta-sign", {"dlogits = dlogits / batch\n": "dlogits = -dlogits / batch\n"}),
    Site(
        "extra-derivative",
        {"dlogits = dlogits / batch\n": "dlogits = dlogits * p * (1 - p) / batch\n"},
    ),
    Site("bias-mean", {"dlogits.sum(axis=0)": "dlogits.mean(axis=0)"}),
    Site("bias-one-sample", {"dlogits.sum(axis=0)": "dlogits[0]"}),
    Site("pooling-divisor", {"steps, axis=1) / steps": "steps, axis=1)"}),
    Site(
        "softmax-diagonal",
        {"A * (dA - np.sum(A * dA, axis=-1, keepdims=True))": "A * (1 - A) * dA"},
    ),
    Site(
        "derivative-missing",
        {"A * (dA - np.sum(A * dA, axis=-1, keepdims=True))": "dA"},
        also="upstream",
    ),
    Site(
        "term-sign",
        {"dA - np.sum(A * dA, axis=-1": "dA + np.sum(A * dA, axis=-1"},
        also="activation-derivative",
    ),
    Site(
        "derivative-elsewhere",
        {"np.sum(A * dA, axis=-1, keepdims=True)": "np.sum(A * dA, axis=1, keepdims=True)"},
        also="upstream",
    ),
    Site(
        "hidden-scaled",
        {"dscores = dscores / Q.shape[-1] ** 0.5\n": "dscores = dscores / Q.shape[-1]\n"},
    ),
    Site(
        "hidden-scaled",
        {"    dscores = dscores / Q.shape[-1] ** 0.5\n": ""},
    ),
    Site(
        "block-averaged",
        {'"Wk": np.einsum("btd,btk->dk", X, dK)': '"Wk": np.einsum("btd,btk->dk", X, dK) / steps'},
    ),
    Site("not-transposed-back", {'"bts,btv->bsv", A, dcontext': '"bst,btv->bsv", A, dcontext'}),
    Site("not-transposed-back", {'"bts,btk->bsk", dscores, Q': '"bst,btk->bsk", dscores, Q'}),
    Site(
        "upstream-dropped",
        {'"btv,bsv->bts", dcontext, V': '"btv,bsv->bts", np.ones_like(dcontext), V'},
    ),
    Site(
        "cached-input",
        {'"bts,bsk->btk", dscores, K': '"bts,bsk->btk", dscores, Q'},
        also="upstream",
    ),
    Site(
        "block-not-computed",
        {'"Wq": np.einsum("btd,btk->dk", X, dQ)': '"Wq": np.zeros_like(params["Wq"])'},
    ),
    Site(
        "stale-weights",
        {'dpooled = dlogits @ params["Wo"].T': 'dpooled = dlogits @ (params["Wo"] - 0.1 * dWo).T'},
    ),
]
