"""LSTM with stacked gates, trained to follow a target sequence with its state.

[x, h] W + b gives the input, forget and output gates and the candidate; the loss is
½ Σ (h[t] - Y[t])² over time and units, averaged over the sequences, + ½ λ Σ W².
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"steps": 3, "batch": 5, "inputs": 2, "hidden": 2},
    "medium": {"steps": 4, "batch": 6, "inputs": 3, "hidden": 5},
}


def problem(rng, steps, batch, inputs, hidden):
    X = rng.standard_normal((steps, batch, inputs))
    Y = 0.5 * rng.standard_normal((steps, batch, hidden))
    W = rng.standard_normal((inputs + hidden, 4 * hidden)) / (inputs + hidden) ** 0.5
    return {"W": W, "b": 0.5 * rng.standard_normal(4 * hidden)}, (X, Y, 0.05)


def sigma(a):
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def forward(params, X):
    H = len(params["b"]) // 4
    h = c = np.zeros_like(X[0, :, :1] * params["b"][:H])
    tape = []
    for x in X:
        u = np.concatenate([x, h], axis=1)
        a = u @ params["W"] + params["b"]
        i, f, o = sigma(a[:, :H]), sigma(a[:, H : 2 * H]), sigma(a[:, 2 * H : 3 * H])
        g = np.tanh(a[:, 3 * H :])
        c_prev, c = c, f * c + i * g
        h = o * np.tanh(c)
        tape.append((u, i, f, o, g, c_prev, c, h))
    return tape


def loss(params, X, Y, lam):
    error = 0.0
    for (*_, h), y in zip(forward(params, X), Y, strict=True):
        error = error + 0.5 * np.sum((h - y) ** 2)
    return error / Y.shape[1] + 0.5 * lam * np.sum(params["W"] ** 2)


def gradient(params, X, Y, lam):
    W = params["W"]
    dW = lam * W
    db = np.zeros_like(params["b"])
    dh_next = np.zeros_like(Y[0])
    dc_next = np.zeros_like(Y[0])
    for (u, i, f, o, g, c_prev, c, h), y in reversed(list(zip(forward(params, X), Y, strict=True))):
        tanh_c = np.tanh(c)
        dh = (h - y) / len(y) + dh_next
        do = dh * tanh_c
        dc = dh * o * (1 - tanh_c**2) + dc_next
        df, di, dg = dc * c_prev, dc * g, dc * i
        dai = di * i * (1 - i)
        daf = df * f * (1 - f)
        dao = do * o * (1 - o)
        dag = dg * (1 - g**2)
        da = np.concatenate([dai, daf, dao, dag], axis=1)
        dW = dW + u.T @ da
        db = db + np.sum(da, axis=0)
        dh_next = (da @ W.T)[:, X.shape[2] :]
        dc_next = dc * f
    return {"W": dW, "b": db}


MISTAKES = [
    Site("square-factor-doubled", {"dh = (h - y) / len(y)": "dh = 2 * (h - y) / len(y)"}),
    Site("batch-sum-for-mean", {"dh = (h - y) / len(y)": "dh = (h - y)"}),
    Site("output-mean", {"dh = (h - y) / len(y)": "dh = (h - y) / y.size"}),
    Site("time-mean", {"dh = (h - y) / len(y)": "dh = (h - y) / (len(y) * len(Y))"}),
    Site("delta-sign", {"dh = (h - y) / len(y)": "dh = (y - h) / len(y)"}),
    Site("regularizer-missing", {"dW = lam * W\n": "dW = np.zeros_like(W)\n"}),
    Site("regularizer-doubled", {"dW = lam * W\n": "dW = 2 * lam * W\n"}),
    Site("regularizer-sign", {"dW = lam * W\n": "dW = -lam * W\n"}),
    Site("bias-regularized", {'db = np.zeros_like(params["b"])': 'db = lam * params["b"]'}),
    Site("bias-mean", {"np.sum(da, axis=0)": "np.mean(da, axis=0)"}),
    Site("bias-one-sample", {"np.sum(da, axis=0)": "da[0]"}),
    Site("bias-all-units", {"np.sum(da, axis=0)": "np.sum(da)"}),
    Site("gate-derivative", {"dai = di * i * (1 - i)": "dai = di * (1 - i)"}),
    Site("gate-derivative", {"daf = df * f * (1 - f)": "daf = df * (1 - f**2)"}),
    Site("gate-derivative", {"dao = do * o * (1 - o)": "dao = do"}),
    Site("gate-derivative", {"dag = dg * (1 - g**2)": "dag = dg * g * (1 - g)"}),
    Site("derivative-missing", {"dc = dh * o * (1 - tanh_c**2)": "dc = dh * o"}),
    Site("derivative-elsewhere", {"dc = dh * o * (1 - tanh_c**2)": "dc = dh * o * (1 - c**2)"}),
    Site("gate-other-state", {"df, di, dg = dc * c_prev,": "df, di, dg = dc * c,"}),
    Site("gate-other-state", {"do = dh * tanh_c": "do = dh * c"}),
    Site("carry-dropped", {"dh = (h - y) / len(y) + dh_next": "dh = (h - y) / len(y)"}),
    Site("carry-dropped", {"(1 - tanh_c**2) + dc_next": "(1 - tanh_c**2)"}),
    Site("path-left-out", {"dc_next = dc * f": "dc_next = dh * o * f"}),
    Site("upstream-dropped", {"dc = dh * o * (1 - tanh_c**2)": "dc = o * (1 - tanh_c**2)"}),
    Site("path-left-out", {"dW = dW + u.T @ da": "dW = lam * W + u.T @ da"}),
    Site(
        "one-iteration-short",
        {
            "reversed(list(zip(forward(params, X), Y, strict=True)))": (
                "reversed(list(zip(forward(params, X), Y, strict=True))[1:])"
            )
        },
    ),
]
