"""The injected bugs that the diagnosis is built with; `heldout` has others that it has not seen.

What each spoils is derived in a test; what each may be called follows from what was done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.diagnosis.bug import Bug, Mistake, Row, bugs_of

Gradient = dict[str, Any]


def replaced(gradient: Gradient, **blocks: Any) -> Gradient:
    """The gradient with some blocks replaced."""
    return {**gradient, **blocks}


TWO_LAYERS = "W1 b1 W2 b2"
GATES = "Wf bf Wi bi Wg bg Wo bo"

# The mean over the batch of one bias alone is a reduction gone wrong and a constant 1/N in one.
BIAS_MEAN = "bias-reduction scale"
# What lacks the sum over the batch has the wrong shape for that reason.
UNREDUCED = "bias-reduction shape"

MISTAKES = [
    # --- one hidden layer, five samples: examples/two_layer_mse ---
    Mistake(
        "two_layer_mse", "the 2 of the square forgotten", Row.SQUARE, TWO_LAYERS, "scale",
        {"-2.0 / len(Y)": "-1.0 / len(Y)"}, reading="1/2",
    ),
    Mistake(
        "two_layer_mse", "summed over the batch", Row.BATCH_MEAN, TWO_LAYERS, "scale",
        {"-2.0 / len(Y)": "-2.0"}, reading="N",
    ),
    Mistake(
        "two_layer_mse", "averaged over the outputs", Row.OUTPUT_MEAN, TWO_LAYERS, "scale",
        {"-2.0 / len(Y)": "-2.0 / Y.size"}, reading="1/K",
    ),
    Mistake(
        "two_layer_mse", "output delta's sign", Row.SIGN, TWO_LAYERS, "sign",
        {"-2.0 / len(Y) * (Y - x2)": "2.0 / len(Y) * (Y - x2)"},
    ),
    Mistake(
        "two_layer_mse", "hidden delta's sign", Row.SIGN, "W1 b1", "sign",
        {"return dE_dx1 * x1": "return -dE_dx1 * x1"},
    ),
    Mistake(
        "two_layer_mse", "hidden delta doubled", Row.SQUARE, "W1 b1", "scale",
        {"return dE_dx1 * x1": "return 2.0 * dE_dx1 * x1"}, reading="2",
    ),
    Mistake(
        "two_layer_mse", "W1 averaged over the batch", Row.BLOCK_SCALE, "W1", "scale",
        {"X.T @ dE_dz1": "X.T @ dE_dz1 / len(X)"}, reading="1/N",
    ),
    Mistake(
        "two_layer_mse", "output σ' missing", Row.DERIVATIVE_MISSING, TWO_LAYERS,
        "activation-derivative", {"return dE_dx2 * x2 * (1.0 - x2)": "return dE_dx2"},
        line="x2 = sigmoid(",
    ),
    Mistake(
        "two_layer_mse", "hidden σ' missing", Row.DERIVATIVE_MISSING, "W1 b1",
        "activation-derivative", {"return dE_dx1 * x1 * (1.0 - x1)": "return dE_dx1"},
        line="x1 = sigmoid(",
    ),
    Mistake(
        "two_layer_mse", "hidden σ' taken at the activation", Row.DERIVATIVE_ELSEWHERE, "W1 b1",
        "activation-derivative",
        {"return dE_dx1 * x1 * (1.0 - x1)": "return dE_dx1 * sigmoid(x1) * (1.0 - sigmoid(x1))"},
        line="x1 = sigmoid(",
    ),
    Mistake(
        "two_layer_mse", "hidden σ' twice", Row.DERIVATIVE_ELSEWHERE, "W1 b1",
        "activation-derivative",
        {"return dE_dx1 * x1 * (1.0 - x1)": "return dE_dx1 * (x1 * (1.0 - x1)) ** 2"},
        line="x1 = sigmoid(",
    ),
    Mistake(
        "two_layer_mse", "tanh' for hidden σ'", Row.DERIVATIVE_ELSEWHERE, "W1 b1",
        "activation-derivative", {"dE_dx1 * x1 * (1.0 - x1)": "dE_dx1 * (1.0 - x1**2)"},
        line="x1 = sigmoid(",
    ),
    Mistake(
        "two_layer_mse", "z1 for x1 in W2", Row.CACHED_INPUT, "W2", "cached-input",
        {"x1.T @ dE_dz2": "np.log(x1 / (1.0 - x1)).T @ dE_dz2"}, line="x2 = sigmoid(",
    ),
    Mistake(
        "two_layer_mse", "b1 averaged", Row.BIAS_MEAN, "b1", BIAS_MEAN,
        {"np.sum(dE_dz1, axis=0)": "np.mean(dE_dz1, axis=0)"}, reading="1/N",
    ),
    Mistake(
        "two_layer_mse", "b2 summed over units too", Row.BIAS_MEAN, "b2", "bias-reduction",
        {"np.sum(dE_dz2, axis=0)": "np.full(2, np.sum(dE_dz2))"},
    ),
    Mistake(
        "two_layer_mse", "b1 not reduced", Row.NOT_REDUCED, "b1", UNREDUCED,
        {"np.sum(dE_dz1, axis=0)": "dE_dz1"},
    ),
    Mistake(
        "two_layer_mse", "b1 reduced over the units", Row.NOT_REDUCED, "b1", UNREDUCED,
        {"np.sum(dE_dz1, axis=0)": "np.sum(dE_dz1, axis=1)"},
    ),
    Mistake(
        "two_layer_mse", "b1 the delta of one sample", Row.NOT_REDUCED, "b1", "bias-reduction",
        {"np.sum(dE_dz1, axis=0)": "dE_dz1[0]"},
    ),
    Mistake(
        # The transpose of a matrix that is not square is a shape, and a transpose.
        "two_layer_mse", "W2 transposed", Row.TRANSPOSED, "W2", "transposed shape",
        {"x1.T @ dE_dz2": "dE_dz2.T @ x1"},
    ),
    Mistake(
        "two_layer_mse", "W2 updated before the hidden delta", Row.STALE_WEIGHTS, "W1 b1",
        "stale-weights",
        {
            "dE_dz1 = hidden_delta(params,": 'params = {**params, "W2": params["W2"] '
            "- 0.1 * x1.T @ dE_dz2}\n    dE_dz1 = hidden_delta(params,"
        },
    ),
    Mistake(
        "two_layer_mse", "W2 updated in place before the hidden delta", Row.STALE_WEIGHTS,
        "W1 b1", "stale-weights",
        {
            "dE_dz1 = hidden_delta(params,": 'params["W2"] -= 0.01 * x1.T @ dE_dz2\n'
            "    dE_dz1 = hidden_delta(params,"
        },
    ),
    Mistake(
        "two_layer_mse", "W1 never computed", Row.ZERO, "W1", "zero",
        {"X.T @ dE_dz1": "np.zeros((3, 4))"},
    ),
    Mistake(
        "two_layer_mse", "dE/dz2 dropped", Row.UPSTREAM_DROPPED, "W1 b1", "upstream",
        {'dE_dz2 @ params["W2"].T': 'np.ones_like(dE_dz2) @ params["W2"].T'},
    ),
    Mistake(
        "two_layer_mse", "W1 divided by zero", Row.NON_FINITE, "W1", "non-finite",
        {"X.T @ dE_dz1": "X.T @ dE_dz1 / np.zeros(4)"},
    ),
    # --- linear regression, one flat array: examples/linear_regression ---
    Mistake(
        "linear_regression", "averaged over the batch", Row.BATCH_MEAN, "params", "scale",
        {"return X.T @ dE_dY": "return X.T @ dE_dY / len(Y)"}, reading="1/N",
    ),
    Mistake(
        "linear_regression", "residual the other way", Row.SIGN, "params", "sign",
        {"dE_dY = predict(w, X) - Y": "dE_dY = Y - predict(w, X)"},
    ),
    Mistake(
        "linear_regression", "clipped", Row.CLIPPED, "params", "entries",
        {"return X.T @ dE_dY": "return np.clip(X.T @ dE_dY, -2.5, 2.5)"},
    ),
    # --- softmax with weight decay: examples/softmax_cross_entropy ---
    Mistake(
        "softmax_cross_entropy", "decay missing", Row.REGULARIZER, "W", "regularizer",
        {'    dW += 2 * reg * params["W"]\n': ""},
    ),
    Mistake(
        "softmax_cross_entropy", "decay without its 2", Row.REGULARIZER, "W", "regularizer",
        {"dW += 2 * reg": "dW += reg"},
    ),
    Mistake(
        "softmax_cross_entropy", "decay's sign", Row.REGULARIZER, "W", "regularizer",
        {"dW += 2 * reg": "dW -= 2 * reg"},
    ),
    Mistake(
        "softmax_cross_entropy", "bias decayed", Row.BIAS_REGULARIZED, "b", "regularizer",
        {'"b": db}': '"b": db + 2 * reg * params["b"]}'},
    ),
    Mistake(
        # In W only the data's term is N times too large, beside the decay.
        "softmax_cross_entropy", "data term summed", Row.BATCH_MEAN, "W b", "scale regularizer",
        {"    dscores /= len(y)\n": ""}, reading="N",
    ),
    Mistake(
        "softmax_cross_entropy", "data term's sign", Row.SIGN, "W b", "sign regularizer",
        {"dscores /= len(y)": "dscores /= -len(y)"},
    ),
    Mistake(
        "softmax_cross_entropy", "extra p(1 - p)", Row.EXTRA_DERIVATIVE, "W b",
        "activation-derivative",
        {
            "    dscores /= len(y)\n": "    dscores /= len(y)\n"
            "    p = probabilities(params, X)\n    dscores *= p * (1 - p)\n"
        },
    ),
    # --- a list of layers, one pattern: examples/feedforward_2_2_1 ---
    Mistake(
        # One pattern and one output: the output's σ' is a lone number, and its lack a scale.
        "feedforward_2_2_1", "σ' missing in both layers", Row.DERIVATIVE_MISSING,
        "params[0].W params[0].b params[1].W params[1].b", "activation-derivative scale",
        {"dE_dz = dE_da * a * (1.0 - a)": "dE_dz = dE_da"},
        line="outputs.append(sigmoid(",
    ),
    Mistake(
        "feedforward_2_2_1", "outer product the other way", Row.TRANSPOSED,
        "params[0].W params[1].W", "transposed shape",
        {"np.outer(dE_dz, x)": "np.outer(x, dE_dz)"},
    ),
    # --- the class of a tutorial, one flat array: examples/neural_networks_demystified ---
    Mistake(
        "neural_networks_demystified", "σ' taken at a2", Row.DERIVATIVE_ELSEWHERE, "params",
        "activation-derivative", {"self.sigmoidPrime(self.z2)": "self.sigmoidPrime(self.a2)"},
        line="self.a2 = self.sigmoid(",
    ),
    Mistake(
        "neural_networks_demystified", "z2 for a2", Row.CACHED_INPUT, "params", "cached-input",
        {"np.dot(self.a2.T, delta3)": "np.dot(self.z2.T, delta3)"}, line="self.z3 = np.dot(",
    ),
    Mistake(
        # Column by column is the transpose, row by row.
        "neural_networks_demystified", "W1 flattened by columns", Row.PERMUTED, "params",
        "permuted transposed", {"dJdW1.ravel()": 'dJdW1.ravel(order="F")'},
    ),
    Mistake(
        "neural_networks_demystified", "blocks joined the other way", Row.PERMUTED, "params",
        "permuted",
        {"return np.concatenate((dJdW1.ravel(), dJdW2.ravel()))":
         "return np.concatenate((dJdW2.ravel(), dJdW1.ravel()))"},
    ),
    # --- examples/batch_normalization ---
    Mistake(
        "batch_normalization", "mean and variance held constant", Row.STATISTICS, "x", "upstream",
        {
            "dxmu = dxhat / cache.std + dvar * 2.0 / N * cache.xmu": "dxmu = dxhat / cache.std",
            "dx: FloatArray = dxmu - np.sum(dxmu, axis=0) / N": "dx: FloatArray = dxmu",
        },
    ),
    Mistake(
        "batch_normalization", "variance held constant", Row.STATISTICS, "x", "upstream",
        {"dxmu = dxhat / cache.std + dvar * 2.0 / N * cache.xmu": "dxmu = dxhat / cache.std"},
    ),
    Mistake(
        "batch_normalization", "mean held constant", Row.STATISTICS, "x", "upstream",
        {"dx: FloatArray = dxmu - np.sum(dxmu, axis=0) / N": "dx: FloatArray = dxmu"},
        line="xmu = x - np.mean(",
    ),
    Mistake(
        "batch_normalization", "x - μ for x̂ in gamma", Row.CACHED_INPUT, "gamma", "cached-input",
        {"np.sum(dout * cache.xhat, axis=0)": "np.sum(dout * cache.xmu, axis=0)"},
        line="return gamma * xhat + beta",
    ),
    Mistake(
        "batch_normalization", "beta averaged", Row.BIAS_MEAN, "beta", BIAS_MEAN,
        {"np.sum(dout, axis=0)": "np.mean(dout, axis=0)"}, reading="1/N",
    ),
    # --- examples/convolution ---
    Mistake(
        "convolution", "windows assigned, not added", Row.PATH_LEFT_OUT, "x", "upstream",
        {"dx_pad[n, :, rows, columns] += dout": "dx_pad[n, :, rows, columns] = dout"},
    ),
    Mistake(
        "convolution", "filter flipped going back", Row.NOT_TRANSPOSED, "x", "upstream",
        {"+= dout[n, f, i, j] * w[f]\n": "+= dout[n, f, i, j] * w[f, :, ::-1, ::-1]\n"},
    ),
    Mistake(
        "convolution", "rows and columns of the filters", Row.PERMUTED, "w", "permuted transposed",
        {"pad : pad + W], dw": "pad : pad + W], dw.transpose(0, 1, 3, 2)"},
    ),
    Mistake(
        "convolution", "channels the other way", Row.POOLING, "w", "permuted",
        {"x_pad[n, :, rows, columns]\n": "x_pad[n, ::-1, rows, columns]\n"},
    ),
    Mistake(
        "convolution", "bias summed over the filters", Row.BIAS_MEAN, "b", "bias-reduction",
        {"np.sum(dout[:, f])": "np.sum(dout)"},
    ),
    # --- examples/embedding ---
    Mistake(
        "embedding", "repeated words added once", Row.SCATTER, "E", "entries",
        {"np.add.at(dE, words, dx)": "dE[words] += dx"},
    ),
    Mistake(
        "embedding", "1/T of the mean left out", Row.TIME_MEAN, "E", "scale",
        {"T, axis=1) / T": "T, axis=1)"}, reading="T",
    ),
    Mistake(
        "embedding", "W from what tanh was taken of", Row.CACHED_INPUT, "W", "cached-input",
        {'"W": h.T.dot(dout)': '"W": np.arctanh(h).T.dot(dout)'},
        line='h.dot(params["W"])',
    ),
    Mistake(
        "embedding", "tanh' without its square", Row.DERIVATIVE_ELSEWHERE, "E",
        "activation-derivative", {"(1 - h**2)": "(1 - h)"}, line="h = np.tanh(",
    ),
    # --- examples/gaussian_process ---
    Mistake(
        "gaussian_process", "amplitude's 2 forgotten", Row.BLOCK_SCALE, "log_amplitude", "scale",
        {'"log_amplitude": 2.0 * K': '"log_amplitude": K'}, reading="1/2",
    ),
    Mistake(
        "gaussian_process", "the half of the trace forgotten", Row.SQUARE,
        "log_lengthscale log_amplitude log_noise", "scale",
        {"0.5 * np.sum(inner * dK)": "np.sum(inner * dK)"}, reading="2",
    ),
    Mistake(
        # A lone number is always some multiple of another: no name is needed, and none is sure.
        "gaussian_process", "length scale not squared", Row.BLOCK_SCALE, "log_lengthscale",
        "scale unknown", {'["log_lengthscale"]) ** 2,': '["log_lengthscale"]),'},
    ),
    # --- examples/gru ---
    Mistake(
        "gru", "carry dropped", Row.CARRY, "Wx Wh b", "upstream",
        {" / h.shape[1] + dh_next": " / h.shape[1]"},
    ),
    Mistake(
        "gru", "update gate's path into the state left out", Row.PATH_LEFT_OUT, "Wx Wh b",
        "upstream", {" + daz[t].dot(Whz.T)": ""},
    ),
    Mistake(
        "gru", "W for Wᵀ of the reset gate", Row.NOT_TRANSPOSED, "Wx Wh b", "upstream",
        {"dar[t].dot(Whr.T)": "dar[t].dot(Whr)"},
    ),
    Mistake(
        "gru", "σ' of the update gate missing", Row.ONE_GATE, "Wx Wh b", "activation-derivative",
        {"(h[t] - n[t]) * z[t] * (1 - z[t])": "(h[t] - n[t])"}, line="z[t] = sigmoid(",
    ),
    Mistake(
        "gru", "candidate's weights without the reset gate", Row.ONE_GATE, "Wh", "cached-input",
        {"over_time(states.r * h_prev, dan)": "over_time(h_prev, dan)"}, line="n[t] = np.tanh(",
    ),
    Mistake(
        "gru", "gates in another order", Row.PERMUTED, "Wx Wh b", "permuted",
        {
            "np.concatenate((daz, dar, dan), axis=-1)": "np.concatenate((dar, daz, dan), axis=-1)",
            "over_time(h_prev, daz), over_time(h_prev, dar)":
            "over_time(h_prev, dar), over_time(h_prev, daz)",
        },
    ),
    # --- examples/huber_regression ---
    Mistake(
        # ρ' is an elementwise derivative, of which only outliers below the line have the wrong
        # sign; and it is where the backward pass starts.
        "huber_regression", "sign of the outliers forgotten", Row.HALF_DOMAIN, "w b",
        "activation-derivative upstream", {"delta * np.sign(r))": "delta)"},
    ),
    Mistake(
        "huber_regression", "residuals not clipped", Row.CLAMP, "w b",
        "activation-derivative upstream",
        {"return np.where(np.abs(r) <= delta, r, delta * np.sign(r))": "return r"},
    ),
    Mistake(
        "huber_regression", "one weight's algebra", Row.FEW_ENTRIES, "w", "entries",
        change=lambda g: replaced(g, w=g["w"] * np.array([1.0, 1.0, 0.7])),
    ),
    # --- examples/layer_normalization ---
    Mistake(
        "layer_normalization", "ε left out", Row.APPROXIMATED, "x", "approximate",
        {"std = np.sqrt(x.var(axis=1, keepdims=True) + EPS)": "std = x.std(axis=1, keepdims=True)"},
    ),
    Mistake(
        "layer_normalization", "mean and variance held constant", Row.STATISTICS, "x", "upstream",
        {"(dxhat - mean - xhat * mean_along_xhat)": "dxhat"},
    ),
    Mistake(
        "layer_normalization", "variance held constant", Row.STATISTICS, "x", "upstream",
        {"(dxhat - mean - xhat * mean_along_xhat)": "(dxhat - mean)"},
    ),
    Mistake(
        "layer_normalization", "γ left out going back", Row.UPSTREAM_DROPPED, "x", "upstream",
        {"dxhat = dout * gamma": "dxhat = dout"},
    ),
    Mistake(
        "layer_normalization", "x for x̂ in gamma", Row.CACHED_INPUT, "gamma", "cached-input",
        {"np.sum(dout * xhat, axis=0)": "np.sum(dout * x, axis=0)"},
        line="return gamma * xhat + beta",
    ),
    Mistake(
        "layer_normalization", "beta not reduced", Row.NOT_REDUCED, "beta", UNREDUCED,
        {"np.sum(dout, axis=0)\n": "dout\n"},
    ),
    # --- examples/lstm ---
    Mistake(
        "lstm", "cell's carry dropped", Row.CARRY, GATES, "upstream",
        {"dE_dc * s.f\n\n": "0.0 * dE_dc\n\n"},
    ),
    Mistake(
        "lstm", "state's carry dropped", Row.CARRY, GATES, "upstream",
        {'dy @ params["Wy"].T + dE_dh_next': 'dy @ params["Wy"].T'},
    ),
    Mistake(
        "lstm", "averaged over the time steps", Row.TIME_MEAN, f"{GATES} Wy by", "scale",
        {"/ targets.shape[1]\n": "/ targets.shape[1] / len(targets)\n"}, reading="1/T",
    ),
    Mistake(
        "lstm", "by averaged over the time steps", Row.BIAS_MEAN, "by", BIAS_MEAN,
        {"np.sum(dE_dy, axis=(0, 1))": "np.mean(np.sum(dE_dy, axis=1), axis=0)"}, reading="1/T",
    ),
    Mistake(
        "lstm", "σ' of the input gate missing", Row.ONE_GATE, GATES, "activation-derivative",
        {"dE_dc * s.g * s.i * (1.0 - s.i)": "dE_dc * s.g"}, line="i = sigmoid(",
    ),
    Mistake(
        "lstm", "tanh' of the cell missing", Row.DERIVATIVE_MISSING, GATES,
        "activation-derivative", {"dE_dh * s.o * (1.0 - tanh_c**2)": "dE_dh * s.o"},
        line="o * np.tanh(c)",
    ),
    Mistake(
        "lstm", "gradients of two gates swapped", Row.PERMUTED, "Wf Wi", "permuted",
        change=lambda g: replaced(g, Wf=g["Wi"], Wi=g["Wf"]),
    ),
    # --- examples/max_pooling ---
    Mistake(
        # A pixel that is the maximum of several windows is a node used again, and there are few.
        "max_pooling", "assigned, not added", Row.PATH_LEFT_OUT, "x", "entries upstream",
        {"left + column] += dout": "left + column] = dout"},
    ),
    Mistake(
        # Few entries hold a gradient at all, and it is put to other indices.
        "max_pooling", "row and column exchanged", Row.POOLING, "x", "permuted entries",
        {"top + row, left + column": "top + column, left + row"},
    ),
    # --- examples/multi_head_attention: every weight is square ---
    Mistake(
        "multi_head_attention", "softmax's diagonal only", Row.SOFTMAX_DIAGONAL, "x Wq Wk",
        "upstream", {"dA - np.sum(A * dA, axis=-1, keepdims=True)": "dA - A * dA"},
    ),
    Mistake(
        # Wq and Wk have the constant alone, x has it on two of three ways.
        "multi_head_attention", "1/√d left out", Row.BLOCK_SCALE, "x Wq Wk", "scale upstream",
        {"dS = dS / np.sqrt(Q.shape[-1])": "dS = 1.0 * dS"},
    ),
    Mistake(
        "multi_head_attention", "Wo transposed", Row.TRANSPOSED, "Wo", "transposed",
        {"weight_gradient(cache.merged, dout)": "weight_gradient(cache.merged, dout).T"},
    ),
    Mistake(
        "multi_head_attention", "only the last way to x", Row.PATH_LEFT_OUT, "x", "upstream",
        {"dx += dprojection": "dx = dprojection"},
    ),
    Mistake(
        "multi_head_attention", "Wo for Woᵀ", Row.NOT_TRANSPOSED, "x Wq Wk Wv", "upstream",
        {'dout @ params["Wo"].T': 'dout @ params["Wo"]'},
        line='merged @ params["Wo"], Cache',
    ),
    Mistake(
        "multi_head_attention", "x for the heads in Wo", Row.CACHED_INPUT, "Wo", "cached-input",
        {"weight_gradient(cache.merged, dout)": 'weight_gradient(params["x"], dout)'},
        line='merged @ params["Wo"], Cache',
    ),
    # --- models/weight_decay ---
    Mistake(
        "weight_decay", "decay missing in W1", Row.REGULARIZER, "W1", "regularizer",
        {"X.T @ dz + lam * params": "X.T @ dz + 0 * params"},
    ),
    Mistake(
        "weight_decay", "decay doubled in W2", Row.REGULARIZER, "W2", "regularizer",
        {"a.T @ dout + lam * params": "a.T @ dout + 2 * lam * params"},
    ),
    Mistake(
        "weight_decay", "decay's sign in both", Row.REGULARIZER, "W1 W2", "regularizer",
        {"X.T @ dz + lam": "X.T @ dz - lam", "a.T @ dout + lam": "a.T @ dout - lam"},
    ),
    Mistake(
        "weight_decay", "b1 decayed", Row.BIAS_REGULARIZED, "b1", "regularizer",
        {'"b1": dz.sum(axis=0)': '"b1": dz.sum(axis=0) + lam * params["b1"]'},
    ),
    Mistake(
        # The biases are N times right; of the weights only the data's part is.
        "weight_decay", "data term summed", Row.BATCH_MEAN, TWO_LAYERS, "scale regularizer",
        {"- Y) / len(X)\n    dz": "- Y)\n    dz"}, reading="N",
    ),
    Mistake(
        "weight_decay", "tanh' missing", Row.DERIVATIVE_MISSING, "W1 b1", "activation-derivative",
        {"(dout @ params[\"W2\"].T) * (1 - a**2)": "dout @ params[\"W2\"].T"},
        line="np.tanh(X @",
    ),
    # --- models/logistic_ridge: weights and bias in one flat vector ---
    Mistake(
        "logistic_ridge", "ridge missing", Row.REGULARIZER, "params", "regularizer",
        {"X.T.dot(df) + lam * theta[:-1]": "X.T.dot(df)"},
    ),
    Mistake(
        "logistic_ridge", "bias ridged too", Row.BIAS_REGULARIZED, "params", "regularizer entries",
        {"grad[-1] = np.sum(df)": "grad[-1] = np.sum(df) + lam * theta[-1]"},
    ),  # one entry of five is wrong, by the ridge
    Mistake(
        # One entry of the vector, 1/N of what it should be.
        "logistic_ridge", "bias averaged", Row.BIAS_MEAN, "params", "entries bias-reduction scale",
        {"grad[-1] = np.sum(df)": "grad[-1] = np.mean(df)"},
    ),
    # --- models/three_layers: a list of tuples; once with every size the same ---
    Mistake(
        "three_layers", "sum for mean over the outputs", Row.OUTPUT_MEAN,
        "params[0][0] params[0][1] params[1][0] params[1][1] params[2][0] params[2][1]", "scale",
        {"/ Y.size": "/ len(Y)"}, reading="K",
    ),
    Mistake(
        "three_layers", "tanh' missing", Row.DERIVATIVE_MISSING,
        "params[0][0] params[0][1] params[1][0] params[1][1]", "activation-derivative",
        {"delta = dx * (1 - xs[number] ** 2)": "delta = dx"}, line="xs.append(np.tanh(z)",
    ),
    Mistake(
        "three_layers", "W for Wᵀ in the middle", Row.NOT_TRANSPOSED, "params[0][0] params[0][1]",
        "upstream", {"dx = delta @ W.T": "dx = delta @ (W if number == 1 else W.T)"},
        line="z = xs[-1] @ W + b",
    ),
    Mistake(
        "three_layers", "middle weights updated too soon", Row.STALE_WEIGHTS,
        "params[0][0] params[0][1]", "stale-weights",
        {"dx = delta @ W.T": "dx = delta @ (W - 0.05 * dW if number == 1 else W).T"},
    ),
    Mistake(
        "three_layers", "biases not reduced", Row.NOT_REDUCED,
        "params[0][1] params[1][1] params[2][1]", UNREDUCED,
        {"db = np.sum(delta, axis=0)": "db = delta"},
    ),
    Mistake(
        "all_square", "weights transposed", Row.TRANSPOSED,
        "params[0][0] params[1][0] params[2][0]", "transposed",
        {"dW = xs[number].T @ delta": "dW = delta.T @ xs[number]"},
    ),
    Mistake(
        "all_square", "W for Wᵀ everywhere", Row.NOT_TRANSPOSED,
        "params[0][0] params[0][1] params[1][0] params[1][1]", "upstream",
        {"dx = delta @ W.T": "dx = delta @ W"}, line="z = xs[-1] @ W + b",
    ),
    Mistake(
        # As many samples as units: the shape is right, the sum runs along the wrong axis.
        "all_square", "biases summed along the wrong axis", Row.NOT_REDUCED,
        "params[0][1] params[1][1] params[2][1]", "bias-reduction",
        {"db = np.sum(delta, axis=0)": "db = np.sum(delta, axis=1)"},
    ),
    Mistake(
        "all_square", "summed over the batch", Row.BATCH_MEAN,
        "params[0][0] params[0][1] params[1][0] params[1][1] params[2][0] params[2][1]", "scale",
        {"/ Y.size": "/ Y.shape[1]"}, reading="N",
    ),
    # --- models/cross_entropy ---
    Mistake(
        "cross_entropy", "extra p(1 - p)", Row.EXTRA_DERIVATIVE, "V c u d",
        "activation-derivative", {"ds = (p - t) / len(t)": "ds = (p - t) * p * (1 - p) / len(t)"},
        line="p = sigmoid(",
    ),
    Mistake(
        "cross_entropy", "target minus output", Row.SIGN, "V c u d", "sign",
        {"ds = (p - t)": "ds = (t - p)"},
    ),
    Mistake(
        "cross_entropy", "tanh' twice", Row.DERIVATIVE_ELSEWHERE, "V c", "activation-derivative",
        {"dz = dh * (1.0 - h * h)": "dz = dh * (1.0 - h * h) ** 2"}, line="h = np.tanh(",
    ),
    Mistake(
        # The bias's gradient is one number, so its mean is no more than some multiple.
        "cross_entropy", "d averaged", Row.BIAS_MEAN, "d", BIAS_MEAN,
        {"ds.sum(keepdims=True)": "ds.mean(keepdims=True)"}, reading="1/N",
    ),
    # --- models/leaky_relu, double and single ---
    Mistake(
        "leaky_relu", "slope ignored", Row.LEAKY_SLOPE, "W1 b1", "activation-derivative",
        {"    dz[z <= 0] *= SLOPE\n": ""}, line="a = np.where(",
    ),
    Mistake(
        "leaky_relu", "slope zero", Row.LEAKY_SLOPE, "W1 b1", "activation-derivative",
        {"dz[z <= 0] *= SLOPE": "dz[z <= 0] = 0"}, line="a = np.where(",
    ),
    Mistake(
        "leaky_relu", "slope of another library", Row.LEAKY_SLOPE, "W1 b1",
        "activation-derivative", {"dz[z <= 0] *= SLOPE": "dz[z <= 0] *= 0.2"},
        line="a = np.where(",
    ),
    Mistake(
        "leaky_relu", "z for a in W2", Row.CACHED_INPUT, "W2", "cached-input",
        {"a.T @ dout": "z.T @ dout"}, line='a @ params["W2"]',
    ),
    Mistake(
        "leaky_relu_single", "slope ignored, float32", Row.LEAKY_SLOPE, "W1 b1",
        "activation-derivative", {"    dz[z <= 0] *= SLOPE\n": ""}, line="a = np.where(",
    ),
    Mistake(
        "leaky_relu_single", "squared error doubled, float32", Row.SQUARE, TWO_LAYERS, "scale",
        {"dout = (out - Y) / len(X)": "dout = 2 * (out - Y) / len(X)"}, reading="2",
    ),
    Mistake(
        "leaky_relu_single", "W2 from the updated one, float32", Row.STALE_WEIGHTS, "W1 b1",
        "stale-weights",
        {'dout @ params["W2"].T': 'dout @ (params["W2"] - np.float32(0.1) * a.T @ dout).T'},
    ),
    # --- models/dropout ---
    Mistake(
        "dropout", "mask and factor missing", Row.DROPOUT, "W1 b1", "upstream",
        {"    da = da * mask / KEPT\n": ""},
    ),
    Mistake(
        "dropout", "mask missing", Row.DROPOUT, "W1 b1", "upstream",
        {"da = da * mask / KEPT": "da = da / KEPT"},
    ),
    Mistake(
        # The factor alone is a constant, in every block behind it.
        "dropout", "factor missing", Row.DROPOUT, "W1 b1", "scale upstream",
        {"da = da * mask / KEPT": "da = da * mask"},
    ),
    Mistake(
        "dropout", "ReLU' missing", Row.DERIVATIVE_MISSING, "W1 b1", "activation-derivative",
        {"dz = da * (a > 0)": "dz = da"}, line="a = np.maximum(",
    ),
    Mistake(
        "dropout", "W2 from the units before dropout", Row.CACHED_INPUT, "W2", "cached-input",
        {"dropped.T.dot(dout)": "a.T.dot(dout)"}, line="    out = dropped.dot(",
    ),
    # --- models/gelu ---
    Mistake(
        # Right to three digits, for the derivative is that of another function.
        "gelu", "exact GELU'", Row.APPROXIMATED, "W1 b1", "activation-derivative approximate",
        {"dz = da * gelu_derivative(z)": "dz = da * exact_derivative(z)"},
    ),
    Mistake(
        "gelu", "second term of GELU' forgotten", Row.DERIVATIVE_ELSEWHERE, "W1 b1",
        "activation-derivative", {" + 0.5 * z * (1.0 - t**2) * slope": ""},
    ),
    Mistake(
        "gelu", "GELU' at the activation", Row.DERIVATIVE_ELSEWHERE, "W1 b1",
        "activation-derivative", {"dz = da * gelu_derivative(z)": "dz = da * gelu_derivative(a)"},
    ),
    # --- models/residual: an object with square weights ---
    Mistake(
        "residual", "way around the first block left out", Row.PATH_LEFT_OUT, "Win", "upstream",
        {"dh0 = dh1 + dz1 @ self.W1.T": "dh0 = dz1 @ self.W1.T"},
        line="self.h1 = self.h0 + self.t1",
    ),
    Mistake(
        "residual", "way around the second block left out", Row.PATH_LEFT_OUT, "Win W1 b1",
        "upstream", {"dh1 = dh2 + dz2 @ self.W2.T": "dh1 = dz2 @ self.W2.T"},
        line="self.h2 = self.h1 + self.t2",
    ),
    Mistake(
        "residual", "W2 for W2ᵀ", Row.NOT_TRANSPOSED, "Win W1 b1", "upstream",
        {"dz2 @ self.W2.T": "dz2 @ self.W2"}, line="self.t2 = np.tanh(",
    ),
    Mistake(
        "residual", "tanh' of the first block missing", Row.DERIVATIVE_MISSING, "Win W1 b1",
        "activation-derivative", {"dz1 = dh1 * (1 - self.t1**2)": "dz1 = dh1"},
        line="self.t1 = np.tanh(",
    ),
    Mistake(
        "residual", "input of the other block in W2", Row.CACHED_INPUT, "W2", "cached-input",
        {"self.h1.T @ dz2": "self.h0.T @ dz2"}, line="self.t2 = np.tanh(",
    ),
    # --- models/affine_layers: course layers ---
    Mistake(
        # One of both: the layer's answer does not follow its upstream gradient.
        "affine_relu", "dout dropped", Row.UPSTREAM_DROPPED, "x w b", "upstream nonlinear",
        {"dscores = dout * (out > 0)": "dscores = 1.0 * (out > 0)"},
    ),
    Mistake(
        "affine_relu", "ReLU' missing", Row.DERIVATIVE_MISSING, "x w b", "activation-derivative",
        {"dscores = dout * (out > 0)": "dscores = dout"}, line="np.maximum(0, x.dot(w) + b)",
    ),
    Mistake(
        "affine_relu", "b averaged", Row.BIAS_MEAN, "b", BIAS_MEAN,
        {"db = np.sum(dscores, axis=0)": "db = np.mean(dscores, axis=0)"}, reading="1/N",
    ),
    Mistake(
        "softmax_layer", "diagonal only", Row.SOFTMAX_DIAGONAL, "x w b", "upstream",
        {"ds = p * (dout - np.sum(dout * p, axis=1, keepdims=True))": "ds = p * (1 - p) * dout"},
    ),
    Mistake(
        "softmax_layer", "sum over the batch for the classes", Row.SOFTMAX_DIAGONAL, "x w b",
        "upstream", {"np.sum(dout * p, axis=1, keepdims=True)": "np.sum(dout * p, axis=0)"},
    ),
    # --- models/elman ---
    Mistake(
        "elman", "carry dropped", Row.CARRY, "U W b", "upstream",
        {'dh = dy @ params["V"].T + dh_next': 'dh = dy @ params["V"].T'},
        line="hs.append(np.tanh(",
    ),
    Mistake(
        "elman", "averaged over time twice", Row.TIME_MEAN, "U W b V c", "scale",
        {"/ (T * N)\n": "/ (T * N) / T\n"}, reading="1/T",
    ),
    Mistake(
        "elman", "tanh' missing", Row.DERIVATIVE_MISSING, "U W b", "activation-derivative",
        {"dz = dh * (1 - h**2)": "dz = dh"}, line="hs.append(np.tanh(",
    ),
    Mistake(
        "elman", "h[t] for h[t-1] in W", Row.CACHED_INPUT, "W", "cached-input",
        {'g["W"] += h_prev.T @ dz': 'g["W"] += h.T @ dz'}, line="hs.append(np.tanh(",
    ),
    Mistake(
        "elman", "W for Wᵀ through time", Row.NOT_TRANSPOSED, "U W b", "upstream",
        {'dh_next = dz @ params["W"].T': 'dh_next = dz @ params["W"]'}, line="hs.append(np.tanh(",
    ),
    # --- models/clamped ---
    # The clamp is an elementwise function, and its derivative forgotten; few entries need it.
    Mistake(
        "clamped", "clamped deviations not zeroed", Row.CLAMP, "log_sigma",
        "activation-derivative entries", {'"log_sigma": ds * inside': '"log_sigma": ds'},
    ),
    Mistake(
        "clamped", "clamped means not zeroed", Row.CLAMP, "W", "activation-derivative entries",
        {"dz = dm * (np.abs(z) < 1)": "dz = dm"}, line="m = np.clip(X @",
    ),
    # --- models/average_pooling ---
    Mistake(
        "average_pooling", "divisor of a square window", Row.POOLING, "x", "scale",
        {"/ (HH * WW)": "/ (HH * HH)"},
    ),
    Mistake(
        # s[c] is a constant factor for every channel, left out going back.
        "average_pooling", "scale of the channels left out", Row.POOLING, "x", "upstream",
        {"dout[n, c, i, j] * s[c] / (HH * WW)": "dout[n, c, i, j] / (HH * WW)"},
    ),
    Mistake(
        "average_pooling", "s summed over the channels too", Row.BIAS_MEAN, "s", "bias-reduction",
        {"np.sum(dout * p, axis=(0, 2, 3))": "np.sum(dout * p) * np.ones(3)"},
    ),
    # --- models/tied_autoencoder ---
    Mistake(
        "tied_autoencoder", "decoder's share overwritten", Row.PATH_LEFT_OUT, "W", "upstream",
        {"dW += X.T @ dz": "dW = X.T @ dz"},
    ),
    Mistake(
        "tied_autoencoder", "σ' missing", Row.DERIVATIVE_MISSING, "W b", "activation-derivative",
        {"dz = dout @ W * h * (1 - h)": "dz = dout @ W"}, line="h = sigmoid(X @ params",
    ),
    # --- models/cubic_penalty: the sign of w ---
    # Some entries, in which a penalty, an elementwise function, has a derivative of the other sign.
    Mistake(
        "cubic_penalty", "w² for w|w|", Row.HALF_DOMAIN, "params",
        "entries sign regularizer activation-derivative",
        {"3 * lam * w * np.abs(w)": "3 * lam * w**2"},
    ),
    Mistake(
        "penalty_alone", "w² for w|w|, alone", Row.HALF_DOMAIN, "params",
        "entries sign regularizer activation-derivative",
        {"3 * strength * w * np.abs(w)": "3 * strength * w**2"},
    ),
    # --- models/counting_words ---
    Mistake(
        "counting_words", "repeated first words added once", Row.SCATTER, "u", "entries",
        {'np.add.at(g["u"], i, de[:, None] * v)': 'g["u"][i] += de[:, None] * v'},
    ),
    Mistake(
        "counting_words", "repeated second words assigned", Row.SCATTER, "c", "entries",
        {'np.add.at(g["c"], j, de)': 'g["c"][j] = de'},
    ),
    Mistake(
        "counting_words", "own row for the other's", Row.CACHED_INPUT, "v", "cached-input",
        {"np.add.at(g[\"v\"], j, de[:, None] * u)": "np.add.at(g[\"v\"], j, de[:, None] * v)"},
    ),
    # --- models/accumulating: layers that keep their gradients ---
    Mistake(
        "accumulating", "never set to zero", Row.ACCUMULATED,
        "first.W first.b second.W second.b", "accumulated",
        {"        self.first.zero_grad()\n        self.second.zero_grad()\n": ""},
    ),
    Mistake(
        "accumulating", "biases never set to zero", Row.ACCUMULATED, "first.b second.b",
        "accumulated",
        {
            "    def zero_grad(self) -> None:\n        self.dW = np.zeros_like(self.W)\n"
            "        self.db = np.zeros_like(self.b)\n":
            "    def zero_grad(self) -> None:\n        self.dW = np.zeros_like(self.W)\n"
        },
    ),
    Mistake(
        "accumulating", "σ' missing", Row.DERIVATIVE_MISSING, "first.W first.b",
        "activation-derivative", {"return dout * self.out * (1 - self.out)": "return dout"},
        line="self.out = 1 / (1 + np.exp(-z))",
    ),
]  # fmt: skip

TOGETHER = [
    # independent ones in different blocks
    ("two_layer_mse: b1 averaged", "two_layer_mse: z1 for x1 in W2"),
    ("two_layer_mse: W1 never computed", "two_layer_mse: b2 summed over units too"),
    ("two_layer_mse: hidden delta's sign", "two_layer_mse: z1 for x1 in W2"),
    ("softmax_cross_entropy: decay's sign", "softmax_cross_entropy: bias decayed"),
    ("weight_decay: decay missing in W1", "weight_decay: b1 decayed"),
    ("weight_decay: decay doubled in W2", "weight_decay: b1 decayed"),
    ("layer_normalization: variance held constant", "layer_normalization: x for x̂ in gamma"),
    ("batch_normalization: beta averaged", "batch_normalization: mean held constant"),
    ("convolution: rows and columns of the filters", "convolution: bias summed over the filters"),
    ("lstm: gradients of two gates swapped", "lstm: by averaged over the time steps"),
    ("multi_head_attention: Wo transposed", "multi_head_attention: softmax's diagonal only"),
    ("leaky_relu: slope ignored", "leaky_relu: z for a in W2"),
    ("dropout: mask missing", "dropout: W2 from the units before dropout"),
    ("embedding: repeated words added once", "embedding: W from what tanh was taken of"),
    # on the same way back
    ("two_layer_mse: the 2 of the square forgotten", "two_layer_mse: b1 averaged"),
    ("two_layer_mse: summed over the batch", "two_layer_mse: hidden σ' missing"),
    ("cross_entropy: target minus output", "cross_entropy: tanh' twice"),
    ("residual: W2 for W2ᵀ", "residual: tanh' of the first block missing"),
    ("dropout: mask and factor missing", "dropout: ReLU' missing"),
]  # fmt: skip

BUGS: list[Bug] = bugs_of(MISTAKES, TOGETHER)
