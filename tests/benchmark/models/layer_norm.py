"""Every sample normalized over its features, a gain and a bias, softmax cross-entropy.

z = x W + b,  x̂ = (z − μ) / √(σ² + ε) over the features,  logits = (γ x̂ + β) V.
"""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"samples": 6, "inputs": 2, "features": 4, "classes": 3},
    "medium": {"samples": 8, "inputs": 6, "features": 9, "classes": 5},
}

EPS = 1e-3


def problem(rng, samples, inputs, features, classes):
    x = rng.standard_normal((samples, inputs))
    labels = rng.integers(classes, size=samples)
    params = {
        "W": rng.standard_normal((inputs, features)),
        "b": rng.standard_normal(features),
        "gamma": rng.uniform(0.5, 1.5, features),
        "beta": rng.standard_normal(features),
        "V": rng.standard_normal((features, classes)),
    }
    return params, (x, labels)


class LayerNorm:
    """Keeps what its backward pass needs."""

    def forward(self, z, gamma, beta):
        self.gamma = gamma
        mean = np.mean(z, axis=1, keepdims=True)
        var = np.mean((z - mean) ** 2, axis=1, keepdims=True)
        self.std = np.sqrt(var + EPS)
        self.xhat = (z - mean) / self.std
        return self.xhat * gamma + beta

    def backward(self, dout):
        dgamma = np.sum(dout * self.xhat, axis=0)
        dbeta = np.sum(dout, axis=0)
        dxhat = dout * self.gamma
        size = dout.shape[1]
        total = np.sum(dxhat, axis=1, keepdims=True)
        along = np.sum(dxhat * self.xhat, axis=1, keepdims=True)
        dz = (dxhat - total / size - self.xhat * along / size) / self.std
        return dz, dgamma, dbeta


def log_softmax(logits):
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def loss(params, x, labels):
    z = x @ params["W"] + params["b"]
    y = LayerNorm().forward(z, params["gamma"], params["beta"])
    return -np.mean(log_softmax(y @ params["V"])[range(len(x)), labels])


def gradient(params, x, labels):
    norm = LayerNorm()
    y = norm.forward(x @ params["W"] + params["b"], params["gamma"], params["beta"])
    p = np.exp(log_softmax(y @ params["V"]))
    dlogits = p.copy()
    dlogits[range(len(x)), labels] -= 1.0
    dlogits /= len(x)
    dV = y.T @ dlogits
    dz, dgamma, dbeta = norm.backward(dlogits @ params["V"].T)
    dW = x.T @ dz
    db = np.sum(dz, axis=0)
    return {"W": dW, "b": db, "gamma": dgamma, "beta": dbeta, "V": dV}


MISTAKES = [
    Site("batch-sum-for-mean", {"    dlogits /= len(x)\n": ""}),
    Site("output-mean", {"dlogits /= len(x)": "dlogits /= dlogits.size"}),
    Site("delta-sign", {"dlogits /= len(x)": "dlogits /= -len(x)"}),
    Site("term-sign", {"labels] -= 1.0": "labels] += 1.0"}),
    Site("extra-derivative", {"dlogits /= len(x)": "dlogits *= p * (1 - p) / len(x)"}),
    Site("softmax-diagonal", {"dlogits /= len(x)": "dlogits *= (dlogits < 0) / len(x)"}),
    Site("statistics-constant", {"dxhat - total / size - self.xhat * along / size": "dxhat"}),
    Site("statistics-constant", {"dxhat - total / size - self": "dxhat - self"}),
    Site("statistics-constant", {"total / size - self.xhat * along / size": "total / size"}),
    # averaged over the samples, as in batch normalization
    Site("statistics-constant", {"size = dout.shape[1]": "size = dout.shape[0]"}),
    Site("term-sign", {"- self.xhat * along": "+ self.xhat * along"}),
    Site("hidden-sign", {"dz = (dxhat - total / size": "dz = -(dxhat - total / size"}),
    Site("hidden-scaled", {"size) / self.std": "size)"}),
    Site("hidden-scaled", {"dxhat = dout * self.gamma": "dxhat = dout"}),
    Site("cached-input", {"dV = y.T": "dV = norm.xhat.T"}),
    Site(
        "cached-input",
        {"np.sum(dout * self.xhat, axis=0)": "np.sum(dout * self.xhat * self.std, axis=0)"},
    ),
    Site("stale-weights", {'dlogits @ params["V"].T': 'dlogits @ (params["V"] - 0.5 * dV).T'}),
    Site("bias-mean", {"dbeta = np.sum(dout, axis=0)": "dbeta = np.mean(dout, axis=0)"}),
    Site("bias-one-sample", {"dbeta = np.sum(dout, axis=0)": "dbeta = dout[-1]"}),
    Site("bias-wrong-axis", {"dbeta = np.sum(dout, axis=0)": "dbeta = np.sum(dout, axis=1)"}),
    Site(
        "bias-wrong-axis", {"np.sum(dout * self.xhat, axis=0)": "np.sum(dout * self.xhat, axis=1)"}
    ),
    Site("transposed-product", {"dV = y.T @ dlogits": "dV = dlogits.T @ y"}),
    Site(
        "block-averaged",
        {"np.sum(dout * self.xhat, axis=0)": "np.mean(dout * self.xhat, axis=0)"},
        "bias-reduction",
    ),
]
