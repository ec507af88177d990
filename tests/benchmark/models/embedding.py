"""A bag of words: embeddings of repeated words, averaged, a linear layer, softmax cross-entropy."""

import numpy as np

from tests.benchmark.site import Site

SIZES = {
    "small": {"sentences": 6, "length": 3, "words": 7, "width": 2, "classes": 5},
    "medium": {"sentences": 9, "length": 5, "words": 17, "width": 6, "classes": 4},
}


def problem(rng, sentences, length, words, width, classes):
    # every word at least once, and the rest of the places with words of the first half
    repeated = rng.integers(words // 2, size=sentences * length - words)
    tokens = rng.permutation(np.concatenate([rng.permutation(words), repeated]))
    labels = rng.integers(classes, size=sentences)
    params = {
        "embedding": rng.standard_normal((words, width)),
        "W": rng.standard_normal((width, classes)),
        "b": rng.standard_normal(classes),
    }
    return params, (tokens.reshape(sentences, length), labels)


def forward(params, tokens):
    pooled = params["embedding"][tokens].mean(axis=1)
    logits = pooled @ params["W"] + params["b"]
    logits = logits - logits.max(axis=1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return pooled, logp


def loss(params, tokens, labels):
    _, logp = forward(params, tokens)
    total = 0.0
    for n, label in enumerate(labels):
        total -= logp[n, label]
    return total / len(labels)


def gradient(params, tokens, labels):
    pooled, logp = forward(params, tokens)
    probabilities = np.exp(logp)
    dlogits = probabilities.copy()
    for n, label in enumerate(labels):
        dlogits[n, label] -= 1
    dlogits /= len(labels)
    dW = pooled.T @ dlogits
    db = dlogits.sum(axis=0)
    dpooled = dlogits @ params["W"].T
    # each word of a sentence has the same share in its mean
    dwords = np.repeat(dpooled[:, None, :], tokens.shape[1], axis=1) / tokens.shape[1]
    dembedding = np.zeros_like(params["embedding"])
    np.add.at(dembedding, tokens, dwords)
    return {"embedding": dembedding, "W": dW, "b": db}


MISTAKES = [
    Site("batch-sum-for-mean", {"    dlogits /= len(labels)\n": ""}),
    Site("output-mean", {"dlogits /= len(labels)": "dlogits /= dlogits.size"}),
    Site("delta-sign", {"dlogits /= len(labels)": "dlogits /= -len(labels)"}),
    Site("term-sign", {"dlogits[n, label] -= 1": "dlogits[n, label] += 1"}),
    Site("hidden-sign", {"dpooled = dlogits @": "dpooled = -dlogits @"}),
    Site("softmax-diagonal", {"dlogits /= len(labels)": "dlogits *= (dlogits < 0) / len(labels)"}),
    Site(
        "extra-derivative",
        {
            "dlogits /= len(labels)": (
                "dlogits *= probabilities * (1 - probabilities) / len(labels)"
            )
        },
    ),
    Site(
        "scatter-overwrites",
        {"np.add.at(dembedding, tokens, dwords)": "dembedding[tokens] += dwords"},
    ),
    Site(
        "scatter-overwrites",
        {"np.add.at(dembedding, tokens, dwords)": "dembedding[tokens] = dwords"},
    ),
    Site(
        "scatter-overwrites",
        {
            "np.add.at(dembedding, tokens, dwords)": (
                "for place in range(tokens.shape[1]):\n"
                "        dembedding[tokens[:, place]] += dwords[:, place]"
            )
        },
    ),
    Site("pooling-divisor", {", axis=1) / tokens.shape[1]": ", axis=1)"}),
    Site("pooling-divisor", {", axis=1) / tokens.shape[1]": ", axis=1) / len(tokens)"}),
    Site(
        "path-left-out",
        {"tokens, dwords)": "tokens[:, 0], dwords[:, 0])"},
    ),
    Site("cached-input", {"dW = pooled.T": 'dW = params["embedding"][tokens[:, 0]].T'}),
    Site(
        "cached-input", {"dW = pooled.T": 'dW = params["embedding"][tokens].sum(axis=1).T'}, "scale"
    ),
    Site(
        "upstream-dropped",
        {"np.repeat(dpooled[:, None, :]": "np.repeat(np.ones_like(dpooled)[:, None, :]"},
    ),
    Site("stale-weights", {'dlogits @ params["W"].T': 'dlogits @ (params["W"] - 0.5 * dW).T'}),
    Site("transposed-product", {"dW = pooled.T @ dlogits": "dW = dlogits.T @ pooled"}),
    Site("bias-one-sample", {"db = dlogits.sum(axis=0)": "db = dlogits[0]"}),
    Site("bias-wrong-axis", {"db = dlogits.sum(axis=0)": "db = dlogits.sum(axis=1)"}),
    Site("bias-mean", {"db = dlogits.sum(axis=0)": "db = dlogits.mean(axis=0)"}),
    Site("block-not-computed", {"    np.add.at(dembedding, tokens, dwords)\n": ""}),
    Site(
        "accumulator-kept",
        {
            "def gradient(": "tables = {}\n\n\ndef gradient(",
            'dembedding = np.zeros_like(params["embedding"])': (
                'dembedding = tables.setdefault("all", np.zeros_like(params["embedding"]))'
            ),
        },
    ),
]
