"""Bugs that the diagnosis has not been built with, in models of other styles and fields.

To keep them a measure, look at the shares that are right and not at the single cases: once a case
has been looked at to mend something, it belongs to the known ones.
"""

from __future__ import annotations

from tests.diagnosis.bug import Bug, Mistake, Row, bugs_of

# The mean of one bias alone is a reduction gone wrong and a constant in one.
BIAS_MEAN = "bias-reduction scale"
# What lacks a sum has the wrong shape for that reason.
UNREDUCED = "bias-reduction shape"
# The backward pass starts from a wrong derivative of the loss's elementwise function.
WRONG_START = "upstream activation-derivative"
# One of several terms has the wrong sign.
SIGN_OF_ONE = "upstream sign"

DIRECTIONS = "ahead.Wx ahead.Wh ahead.b back.Wx back.Wh back.b"
FIRST_BLOCK = " ".join(f"params[0].{name}" for name in ("Wf", "bf", "Wg", "bg", "R"))
FIRST_MAP = "params[0].u params[0].w params[0].b"
FOCAL = "W b v v0"

MISTAKES = [
    # --- unet: an object with a cache, convolutions, a skip ---
    Mistake(
        "unet", "skip left out", Row.PATH_LEFT_OUT, "k1 b1", "upstream",
        {"dh1 = dh1 + (winners": "dh1 = (winners"}, line="joined = np.concatenate(",
    ),
    Mistake(
        "unet", "halves of what was joined exchanged", Row.PERMUTED, "k1 b1 k2 b2", "upstream",
        {"dup, dh1 = np.split": "dh1, dup = np.split"}, line="joined = np.concatenate(",
    ),
    Mistake(
        # A constant in the second convolution, and on one of two ways to the first.
        "unet", "repetition averaged", Row.POOLING, "k1 b1 k2 b2", "scale upstream",
        {'.reshape(*c["h2"].shape, 2).sum(axis=3)': '.reshape(*c["h2"].shape, 2).mean(axis=3)'},
        reading="1/2",
    ),
    Mistake(
        "unet", "kernels flipped going back", Row.NOT_TRANSPOSED, "k1 b1 k2 b2", "upstream",
        {"k[:, :, s])": "k[:, :, 2 - s])"}, line='np.einsum("ncsl,fcs->nfl", neighbours(x), k)',
    ),
    Mistake(
        "unet", "pooling handed back to both", Row.POOLING, "k1 b1", "upstream",
        {"(winners * dpooled[..., None]).reshape(dh1.shape)": "np.repeat(dpooled, 2, axis=2)"},
        line="pooled = pairs.max(axis=3)",
    ),
    # --- bidirectional: steps that were not observed, nested dicts ---
    Mistake(
        "bidirectional", "nothing carried over unobserved steps", Row.CARRY, DIRECTIONS,
        "upstream", {" + (1 - seen) * dh": ""}, line="h = m[t, :, None] * new + (1 -",
    ),
    Mistake(
        "bidirectional", "averaged over unobserved steps too", Row.TIME_MEAN,
        f"{DIRECTIONS} out.V out.c", "scale", {"/ m.sum()": "/ m.size"},
    ),
    Mistake(
        "bidirectional", "directions exchanged", Row.PERMUTED, DIRECTIONS, "upstream",
        {
            "ahead, dh[:, :, :half]": "ahead, dh[:, :, half:]",
            "back, dh[:, :, half:]": "back, dh[:, :, :half]",
        },
        line="h = np.stack([",
    ),
    Mistake(
        "bidirectional", "loss's mask left out", Row.DROPOUT, f"{DIRECTIONS} out.V out.c",
        "upstream", {"ds = m[..., None] * (1 /": "ds = (1 /"}, line="L: float = np.sum(m[",
    ),
    Mistake(
        "bidirectional", "state after for the one before", Row.CACHED_INPUT, "ahead.Wh back.Wh",
        "cached-input", {"states[before].T @ dz": "states[t].T @ dz"}, line="new = np.tanh(",
    ),
    # --- peephole_lstm: one flat vector, views of its gradient ---
    Mistake(
        "peephole_lstm", "output's peephole left out going back", Row.PATH_LEFT_OUT, "params",
        "upstream", {' + do * w["p"][2]\n': "\n"}, line="o = sigmoid(a[:, 3 * H :]",
    ),
    Mistake(
        "peephole_lstm", "peepholes not carried", Row.CARRY, "params", "upstream",
        {' + di * w["p"][0] + df * w["p"][1]': ""},
    ),
    Mistake(
        # Two entries of 51 are the product with another array.
        "peephole_lstm", "output's peephole saw the cell before", Row.CACHED_INPUT, "params",
        "entries cached-input", {"(do * c).sum": "(do * before).sum"},
        line="o = sigmoid(a[:, 3 * H :]",
    ),
    Mistake(
        "peephole_lstm", "σ' of the forget gate missing", Row.ONE_GATE, "params",
        "activation-derivative", {"dc * before * f * (1 - f)": "dc * before"},
        line="f = sigmoid(",
    ),
    # --- graph_convolution: a list of weights, an adjacency that is not symmetric ---
    Mistake(
        "graph_convolution", "A for Aᵀ", Row.NOT_TRANSPOSED, "params[0]", "upstream",
        {"dH = self.A.T @ dZ": "dH = self.A @ dZ"}, line="Z = self.A @ H @ weights[1]",
    ),
    Mistake(
        "graph_convolution", "neighbours left out of W1", Row.CACHED_INPUT, "params[1]",
        "cached-input", {"(self.A @ H).T @ dZ": "H.T @ dZ"}, line="Z = self.A @ H @ weights[1]",
    ),
    Mistake(
        "graph_convolution", "unlabelled nodes too", Row.DROPOUT, "params[0] params[1]",
        "upstream",
        {" * self.labelled[:, None] / self.labelled.sum()\n": " / self.labelled.sum()\n"},
        line="nll = -np.sum(self.labelled",
    ),
    Mistake(
        # Beside the decay, only the data's term of the first weights is smaller.
        "graph_convolution", "averaged over all nodes", Row.BATCH_MEAN, "params[0] params[1]",
        "scale regularizer",
        {"self.labelled[:, None] / self.labelled.sum()\n":
         "self.labelled[:, None] / len(self.X)\n"},
    ),
    Mistake(
        "graph_convolution", "second weights decayed too", Row.REGULARIZER, "params[1]",
        "regularizer", {"return [dW0, dW1]": "return [dW0, dW1 + self.decay * W1]"},
    ),
    # --- deep_sets: nested functions, padding ---
    Mistake(
        "deep_sets", "divided by the padded size", Row.POOLING, "A a", "upstream",
        {"/ size[:, :, None]": "/ x.shape[1]"}, line="return e, (e * member",
    ),
    Mistake(
        # The padding is zero, so that only the bias sees what the mask would have kept out.
        "deep_sets", "padding not masked", Row.DROPOUT, "a", "upstream bias-reduction",
        {"* member[:, :, None] / size[:, :, None]": "* np.ones_like(e) / size[:, :, None]"},
    ),
    Mistake(
        "deep_sets", "elu' without its 1", Row.DERIVATIVE_ELSEWHERE, "A a B b",
        "activation-derivative", {"1.0, value + 1)": "1.0, value)"},
    ),
    Mistake(
        "deep_sets", "c0 averaged", Row.BIAS_MEAN, "c0", BIAS_MEAN,
        {"dout.sum(keepdims=True)": "dout.mean(keepdims=True)"}, reading="1/N",
    ),
    # --- weight_norm: directions and lengths ---
    Mistake(
        "weight_norm", "length held constant", Row.STATISTICS, "v1 v2", "upstream",
        {"* (dw - dg[:, None] * unit)": "* dw"}, line="return g[:, None] * v / lengths(v)",
    ),
    Mistake(
        # A product with v for v/|v|, or 1/|v| lost.
        "weight_norm", "v for its direction", Row.CACHED_INPUT, "g1 v1 g2 v2",
        "cached-input upstream", {"(dw * unit).sum": "(dw * v).sum"},
    ),
    Mistake(
        "weight_norm", "g left out", Row.UPSTREAM_DROPPED, "v1 v2", "upstream",
        {"dv = g[:, None] / n *": "dv = 1 / n *"}, line="return g[:, None] * v / lengths(v)",
    ),
    Mistake(
        # Of an activation's derivative the sign, which is the same for all units.
        "weight_norm", "sin' with the sign of cos'", Row.SIGN, "g1 v1 b1",
        "sign activation-derivative", {"dz = dh * np.cos(z)": "dz = -dh * np.cos(z)"},
    ),
    Mistake(
        "weight_norm", "back through v2 as it is", Row.UPSTREAM_DROPPED, "g1 v1 b1", "upstream",
        {"dh = dout @ w2": 'dh = dout @ p["v2"]'}, line="E: float = np.sum((h @ w2.T",
    ),
    # --- group_norm: a layer ---
    Mistake(
        "group_norm", "mean and variance held constant", Row.STATISTICS, "x", "upstream",
        {"(dxhat - mean - normal * along)": "dxhat"},
    ),
    Mistake(
        "group_norm", "averaged over all channels", Row.STATISTICS, "x", "upstream",
        {"M = normal.shape[2]": "M = x[0].size"},
    ),
    Mistake(
        "group_norm", "gamma not summed over places", Row.NOT_REDUCED, "gamma", UNREDUCED,
        {"(dout * xhat).sum(axis=(0, 2, 3))": "(dout * xhat).sum(axis=0)"},
    ),
    Mistake(
        "group_norm", "x for x̂ in gamma", Row.CACHED_INPUT, "gamma", "cached-input",
        {"(dout * xhat)": "(dout * x)"}, line="out = gamma[:, None, None] * xhat",
    ),
    # --- dilated: windows by strides, a list of dicts ---
    Mistake(
        "dilated", "dilation forgotten going back", Row.POOLING, FIRST_BLOCK, "upstream",
        {"dpadded[:, k * dilation : k * dilation + T]": "dpadded[:, k : k + T]"},
        line="return as_strided(",
    ),
    Mistake(
        "dilated", "way around left out", Row.PATH_LEFT_OUT, FIRST_BLOCK, "upstream",
        {"dx = dout + dpadded": "dx = dpadded"}, line="return x + (f * g) @",
    ),
    Mistake(
        "dilated", "σ' of the gate missing", Row.ONE_GATE,
        f"{FIRST_BLOCK} params[1].Wg params[1].bg", "activation-derivative",
        {"dg = dh * f * g * (1 - g)": "dg = dh * f"}, line="g = 1 / (1 + np.exp(",
    ),
    Mistake(
        "dilated", "filter without its gate", Row.UPSTREAM_DROPPED,
        f"{FIRST_BLOCK} params[1].Wf params[1].bf", "upstream",
        {"df = dh * g * (1 - f**2)": "df = dh * (1 - f**2)"}, line="return x + (f * g) @",
    ),
    # --- triplets: one network for three inputs ---
    Mistake(
        "triplets", "length held constant", Row.STATISTICS, "W b", "upstream",
        {"(de - unit * (unit * de).sum(axis=1, keepdims=True)) / length": "de / length"},
        line="return a, length, a / length",
    ),
    Mistake(
        "triplets", "satisfied ones too", Row.CLAMP, "W b", WRONG_START,
        {"(violated / len(x))": "(np.ones(len(x)) / len(x))"},
        line="hinge: Array = np.maximum(",
    ),
    Mistake(
        "triplets", "nothing through the like one", Row.PATH_LEFT_OUT, "W b", "upstream",
        {"(pos, d_pos), ": ""},
    ),
    Mistake(
        "triplets", "sign of the unlike one", Row.SIGN, "W b", SIGN_OF_ONE,
        {"d_neg = 2 * weight": "d_neg = -2 * weight"},
    ),
    Mistake(
        "triplets", "tanh' at the unit vector", Row.DERIVATIVE_ELSEWHERE, "W b",
        "activation-derivative", {"dz = da * (1 - a**2)": "dz = da * (1 - unit**2)"},
        line="a = np.tanh(x @",
    ),
    # --- focal ---
    Mistake(
        "focal", "modulating factor held constant", Row.PATH_LEFT_OUT, FOCAL, WRONG_START,
        {"(gamma * p * np.log(p) - (1 - p))": "(p - 1)"},
    ),
    Mistake(
        "focal", "α left out", Row.UPSTREAM_DROPPED, FOCAL, "upstream",
        {"ds = t * alpha * slope": "ds = t * slope"},
    ),
    Mistake(
        "focal", "negatives as if positive", Row.HALF_DOMAIN, FOCAL, WRONG_START,
        {"ds = t * alpha * slope": "ds = alpha * slope"},
    ),
    Mistake(
        "focal", "z for h in v", Row.CACHED_INPUT, "v", "cached-input",
        {"h.T @ ds": "z.T @ ds"}, line="log_p = -np.logaddexp(",
    ),
    # --- ordinal ---
    Mistake(
        "ordinal", "gaps as if their exponentials", Row.DERIVATIVE_MISSING, "gaps", WRONG_START,
        {'np.exp(p["gaps"]) * after[1:]': "after[1:]"}, line='return np.concatenate([p["first"]',
    ),
    Mistake(
        "ordinal", "a gap moves its own threshold only", Row.PATH_LEFT_OUT, "gaps", "upstream",
        {"* after[1:]": "* dtheta[1:]"}, line='return np.concatenate([p["first"]',
    ),
    Mistake(
        "ordinal", "summed from the wrong end", Row.NOT_TRANSPOSED, "first gaps", "upstream",
        {"np.cumsum(dtheta[::-1])[::-1]": "np.cumsum(dtheta)"},
        line='return np.concatenate([p["first"]',
    ),
    Mistake(
        # The sum over the samples lost, by an index that occurs again.
        "ordinal", "one sample of every grade", Row.SCATTER, "first gaps", "upstream entries",
        {"np.add.at(dtheta, y + 1, dupper)": "dtheta[y + 1] += dupper"},
    ),
    # --- zero_inflated: a tuple of arrays of one shape ---
    Mistake(
        "zero_inflated", "Poisson's score", Row.UPSTREAM_DROPPED, "params[0]", WRONG_START,
        {"dlog_lam = (1 - always) * (lam - self.y)": "dlog_lam = lam - self.y"},
    ),
    Mistake(
        "zero_inflated", "X for Z", Row.CACHED_INPUT, "params[1]", "cached-input",
        {"self.Z.T @ dlogit": "self.X.T @ dlogit"},
    ),
    Mistake(
        "zero_inflated", "extra π(1 - π)", Row.EXTRA_DERIVATIVE, "params[1]",
        "activation-derivative", {"dlogit = pi - always": "dlogit = (pi - always) * pi * (1 - pi)"},
    ),
    Mistake(
        "zero_inflated", "derivative in λ for log λ", Row.DERIVATIVE_MISSING, "params[0]",
        WRONG_START, {"(lam - self.y)\n": "(1 - self.y / lam)\n"},
    ),
    # --- cox: one array ---
    Mistake(
        "cox", "everybody always at risk", Row.DROPOUT, "params", "upstream",
        {
            "np.cumsum(r[:, None] * X, axis=0) / at_risk[:, None]":
            "np.full(X.shape, r @ X / at_risk[-1])"
        },
        line="log_risk = np.log(",
    ),
    Mistake(
        "cox", "censored ones as events", Row.DROPOUT, "params", "upstream",
        {"-event @ (X - average)": "-np.sum(X - average, axis=0)"},
    ),
    Mistake(
        "cox", "ridge halved", Row.REGULARIZER, "params", "regularizer",
        {"+ ridge * beta\n": "+ 0.5 * ridge * beta\n"},
    ),
    Mistake(
        "cox", "per patient", Row.BATCH_MEAN, "params", "scale regularizer",
        {"/ event.sum() + ridge * beta": "/ len(X) + ridge * beta"},
    ),
    # --- kalman: sensitivities ---
    Mistake(
        "kalman", "gain held constant", Row.STATISTICS, "A log_q log_r", "upstream",
        {
            "dm + dK @ v + K @ dv, dP - dK @ C @ P - K @ C @ dP":
            "dm + K @ dv, dP - K @ C @ dP"
        },
        line="K = P @ C.T @ np.linalg.inv(S)",
    ),
    Mistake(
        "kalman", "A on one side of P", Row.PATH_LEFT_OUT, "A", "upstream",
        {" + A @ P @ dA.T": ""},
    ),
    Mistake(
        "kalman", "q as if its logarithm", Row.DERIVATIVE_MISSING, "log_q", WRONG_START,
        {'np.exp(p["log_q"][i]) * one': "one"},
    ),
    Mistake(
        "kalman", "covariance not carried", Row.CARRY, "A log_q log_r", "upstream",
        {"dP - dK @ C @ P - K @ C @ dP": "np.zeros((2, 2))"},
    ),
    # --- hidden_markov: a named tuple, logarithms ---
    Mistake(
        "hidden_markov", "expected transitions alone", Row.SOFTMAX_DIAGONAL, "trans", "upstream",
        {"left * np.exp(log_P) - transitions": "-transitions"}, line="log_p: Array = logits -",
    ),
    Mistake(
        "hidden_markov", "from and to exchanged", Row.TRANSPOSED, "trans", "transposed",
        {"left * np.exp(log_P) - transitions": "(left * np.exp(log_P) - transitions).T"},
    ),
    Mistake(
        "hidden_markov", "filtered for smoothed", Row.CARRY, "start mu tau", "upstream",
        {"np.exp(alphas[t] + beta - evidence)": "np.exp(alphas[t] - logsumexp(alphas[t], axis=0))"},
    ),
    Mistake(
        "hidden_markov", "1/σ of the means left out", Row.UPSTREAM_DROPPED, "mu", "upstream",
        {"-(posterior * z).sum(axis=0) / sigma": "-(posterior * z).sum(axis=0)"},
    ),
    # --- variational: an object, two heads, seeded noise ---
    Mistake(
        "variational", "mean left out of the divergence", Row.PATH_LEFT_OUT, "We be Wm bm",
        "upstream", {"dmu = dz + self.mu / N": "dmu = dz"}, line="kl = -0.5 *",
    ),
    Mistake(
        # Of e^(ℓ/2), the ½ is a factor of its derivative, and constant on one of two ways.
        "variational", "½ of the deviation left out", Row.BLOCK_SCALE, "We be Wv bv",
        "upstream scale activation-derivative",
        {"* 0.5 * np.exp(0.5 * self.logvar)": "* np.exp(0.5 * self.logvar)"},
        line="self.z = self.mu +",
    ),
    Mistake(
        "variational", "sign of the variance's divergence", Row.SIGN, "We be Wv bv", SIGN_OF_ONE,
        {"0.5 * (np.exp(self.logvar) - 1)": "0.5 * (1 - np.exp(self.logvar))"},
    ),
    Mistake(
        "variational", "encoder through the mean alone", Row.PATH_LEFT_OUT, "We be", "upstream",
        {" + dlogvar @ self.Wv.T": ""}, line="self.logvar = self.h @",
    ),
    Mistake(
        "variational", "μ for z in Wd", Row.CACHED_INPUT, "Wd", "cached-input",
        {"self.z.T @ dk": "self.mu.T @ dk"}, line="self.k = np.tanh(",
    ),
    # --- planar_flow: a list of dicts, lone numbers ---
    Mistake(
        "planar_flow", "tanh'' left out", Row.PATH_LEFT_OUT,
        f"{FIRST_MAP} params[1].w params[1].b", WRONG_START,
        {" + ddet * (u @ w) * curvature": ""}, line="log_det = log_det +",
    ),
    Mistake(
        "planar_flow", "determinant's way to u left out", Row.PATH_LEFT_OUT,
        "params[0].u params[1].u", "upstream", {"h @ dz + duw * w": "h @ dz"},
        line="log_det = log_det +",
    ),
    Mistake(
        "planar_flow", "determinant's sign", Row.SIGN, f"{FIRST_MAP} {FIRST_MAP.replace('0', '1')}",
        SIGN_OF_ONE, {"ddet = -1 / (N": "ddet = 1 / (N"},
    ),
    Mistake(
        "planar_flow", "b averaged", Row.BIAS_MEAN, "params[0].b params[1].b", BIAS_MEAN,
        {"np.array([da.sum()])": "np.array([da.mean()])"}, reading="1/N",
    ),
    # --- relevance: SciPy's value and gradient in one, a flat vector ---
    Mistake(
        "relevance", "length scales as if their logarithms", Row.DERIVATIVE_MISSING, "params",
        WRONG_START, {"gaps[:, :, d] / scales[d] ** 2": "gaps[:, :, d] / scales[d] ** 3"},
    ),
    Mistake(
        # One entry of eight, by a constant.
        "relevance", "noise's 2 left out", Row.BLOCK_SCALE, "params", "entries scale",
        {"np.trace(inner) * 2 * noise": "np.trace(inner) * noise"},
    ),
    Mistake(
        "relevance", "data's half left out", Row.PATH_LEFT_OUT, "params", "upstream",
        {"inner = K_inv - np.outer(a, a)": "inner = K_inv"},
    ),
    Mistake(
        # One entry of eight, by a product with the wrong array.
        "relevance", "amplitude of the noise too", Row.CACHED_INPUT, "params",
        "entries cached-input", {"np.sum(inner * 2 * Kf)": "np.sum(inner * 2 * K)"},
    ),
    # --- factorization_machine ---
    Mistake(
        "factorization_machine", "own squares left out", Row.PATH_LEFT_OUT, "V", "upstream",
        {'    dV -= m["V"] * ((X**2).T @ ds)[:, None]\n': ""}, line="pairs = 0.5 *",
    ),
    Mistake(
        # On one of two ways, a product with the wrong array.
        "factorization_machine", "X for X²", Row.CACHED_INPUT, "V", "cached-input upstream",
        {"(X**2).T @ ds": "X.T @ ds"}, line="pairs = 0.5 *",
    ),
    Mistake(
        "factorization_machine", "½ left out of one of both squares", Row.SQUARE, "V",
        "upstream scale", {"dV = X.T @ (ds": "dV = 2 * X.T @ (ds"}, line="pairs = 0.5 *",
    ),
    Mistake(
        "factorization_machine", "w decayed too", Row.REGULARIZER, "w", "regularizer",
        {'"w": X.T @ ds': '"w": X.T @ ds + 2 * lam * m["w"]'},
    ),
    Mistake(
        "factorization_machine", "w0 averaged", Row.BIAS_MEAN, "w0", BIAS_MEAN,
        {"np.array([ds.sum()])": "np.array([ds.mean()])"}, reading="1/N",
    ),
    # --- skipgram: two arrays of one shape, words drawn again ---
    Mistake(
        "skipgram", "negatives pulled", Row.DERIVATIVE_ELSEWHERE, "v u", WRONG_START,
        {"np.exp(-u[drawn] @ v[centre]))\n": "np.exp(-u[drawn] @ v[centre])) - 1\n"},
    ),
    Mistake(
        "skipgram", "negatives drawn again added once", Row.SCATTER, "u", "entries",
        {"np.add.at(du, drawn, np.outer(push, v[centre]))":
         "du[drawn] += np.outer(push, v[centre])"},
    ),
    Mistake(
        "skipgram", "context's own vector for the centre's", Row.CACHED_INPUT, "u",
        "cached-input", {"pull * v[centre]": "pull * u[context]"},
    ),
    Mistake(
        "skipgram", "context updated first", Row.STALE_WEIGHTS, "v", "stale-weights",
        {"dv[centre] += pull * u[context]":
         "dv[centre] += pull * (u[context] - 0.05 * pull * v[centre])"},
    ),
    # --- metric: one square array, one line of matrix calculus ---
    Mistake(
        "metric", "2 of the square left out", Row.SQUARE, "params", "scale",
        {"2 * L @ np.einsum": "L @ np.einsum"}, reading="1/2",
    ),
    Mistake(
        "metric", "softmax's sum held constant", Row.SOFTMAX_DIAGONAL, "params", "upstream",
        {"c = p * (alike - right)": "c = p * alike"}, line="p: Array = closeness /",
    ),
    Mistake(
        "metric", "L transposed", Row.TRANSPOSED, "params", "transposed",
        {'2 * L @ np.einsum("ij,ijd,ije->de", c, gaps, gaps)':
         '2 * np.einsum("ij,ijd,ije->de", c, gaps, gaps) @ L.T'},
    ),
    # --- radial_basis: an object, a lone number ---
    Mistake(
        "radial_basis", "centres pushed away", Row.SIGN, "centres", "sign",
        {"* precision[:, None]": "* -precision[:, None]"},
    ),
    Mistake(
        "radial_basis", "widths left out of the centres", Row.UPSTREAM_DROPPED, "centres",
        "upstream", {"gaps) * precision[:, None]": "gaps)"}, line="scaled = np.einsum(",
    ),
    Mistake(
        "radial_basis", "widths as if their logarithms", Row.DERIVATIVE_MISSING, "log_widths",
        WRONG_START, {"dphi, scaled)": "dphi, scaled) / np.exp(self.log_widths)"},
    ),
    Mistake(
        "radial_basis", "weights left out going back", Row.UPSTREAM_DROPPED, "centres log_widths",
        "upstream", {"np.outer(dout, self.weights) * phi": "dout[:, None] * phi"},
        line="residual = self.basis(x)[2] @",
    ),
    Mistake(
        "radial_basis", "ridge missing", Row.REGULARIZER, "weights", "regularizer",
        {" + self.lam * self.weights": ""},
    ),
    # --- phase_retrieval: real and imaginary parts, equal shapes ---
    Mistake(
        "phase_retrieval", "not conjugated in V", Row.SIGN, "Vim", SIGN_OF_ONE,
        {"h[0].T @ dim - h[1].T @ dre": "h[0].T @ dim + h[1].T @ dre"},
    ),
    Mistake(
        "phase_retrieval", "not conjugated going back", Row.SIGN, "Wre Wim", SIGN_OF_ONE,
        {'dim @ w["Vre"].T - dre @': 'dim @ w["Vre"].T + dre @'},
    ),
    Mistake(
        "phase_retrieval", "parts of W exchanged", Row.PERMUTED, "Wre Wim", "permuted",
        {'"Wre": x[0].T @ dz_re': '"Wim": x[0].T @ dz_re',
         '"Wim": x[0].T @ dz_im': '"Wre": x[0].T @ dz_im'},
    ),
    Mistake(
        "phase_retrieval", "tanh' of the imaginary part missing", Row.DERIVATIVE_MISSING,
        "Wre Wim", "activation-derivative", {"dh_im * (1 - h[1] ** 2)": "dh_im"},
        line="h = np.tanh(re), np.tanh(im)",
    ),
    # --- advected_heat: an adjoint of implicit steps ---
    Mistake(
        "advected_heat", "M for Mᵀ", Row.NOT_TRANSPOSED, "u0 k", "upstream",
        {"np.linalg.solve(M.T, lam": "np.linalg.solve(M, lam"},
        line="states.append(np.linalg.solve(",
    ),
    Mistake(
        "advected_heat", "adjoint not carried", Row.CARRY, "u0 k", "upstream",
        {"lam + states[n] - seen": "states[n] - seen"}, line="states.append(np.linalg.solve(",
    ),
    Mistake(
        "advected_heat", "κ as if its logarithm", Row.DERIVATIVE_MISSING, "k", WRONG_START,
        {'np.exp(p["k"]) * dkappa': "dkappa"}, line="stiffness = self.D.T @",
    ),
    Mistake(
        "advected_heat", "dt left out", Row.BLOCK_SCALE, "k", "scale",
        {"dkappa -= self.dt * (self.D": "dkappa -= (self.D"},
    ),
    Mistake(
        "advected_heat", "state before the step", Row.CACHED_INPUT, "k", "cached-input",
        {"(self.D @ states[n])": "(self.D @ states[n - 1])"},
    ),
    # --- causal_attention: float32, a bias by distance ---
    Mistake(
        # What is not summed over all pairs of one distance.
        "causal_attention", "one pair of every distance", Row.SCATTER, "rel",
        "entries bias-reduction",
        {"np.add.at(drel, DISTANCE[PAST], dS.sum(axis=0)[PAST])":
         "drel[DISTANCE[PAST]] += dS.sum(axis=0)[PAST]"},
    ),
    Mistake(
        "causal_attention", "1/√d left out", Row.BLOCK_SCALE, "Wq Wk", "scale",
        {"dQ, dK = scale * dS @ K, scale * dS.": "dQ, dK = dS @ K, dS."},
    ),
    Mistake(
        "causal_attention", "softmax's diagonal only", Row.SOFTMAX_DIAGONAL, "Wq Wk rel",
        "upstream", {"A * (dA - (A * dA).sum(axis=2, keepdims=True))": "A * (1 - A) * dA"},
        line="A = weights / weights",
    ),
    Mistake(
        "causal_attention", "keys by rows of the scores", Row.NOT_TRANSPOSED, "Wk", "upstream",
        {"scale * dS.transpose(0, 2, 1) @ Q": "scale * dS @ Q"}, line="S = np.where(PAST, scale",
    ),
    Mistake(
        "causal_attention", "distances from the other end", Row.PERMUTED, "rel", "permuted",
        {'"rel": drel': '"rel": drel[::-1]'},
    ),
    # --- experts ---
    Mistake(
        "experts", "gate's diagonal only", Row.SOFTMAX_DIAGONAL, "G", "upstream",
        {"g * (dg - (g * dg).sum(axis=1, keepdims=True))": "g * (1 - g) * dg"},
        line="g: Array = e /",
    ),
    Mistake(
        "experts", "experts as if each were sure", Row.UPSTREAM_DROPPED, "E b", "upstream",
        {'np.einsum("nk,no->nko", g, dout)': "np.repeat(dout[:, None, :], g.shape[1], axis=1)"},
        line='out = np.einsum("nk,nko->no"',
    ),
    Mistake(
        "experts", "gate never computed", Row.ZERO, "G", "zero",
        {'"G": x.T @ ds': '"G": np.zeros_like(p["G"])'},
    ),
    Mistake(
        "experts", "tanh' missing", Row.DERIVATIVE_MISSING, "E b", "activation-derivative",
        {"dz = da * (1 - a**2)": "dz = da"}, line="a: Array = np.tanh(",
    ),
    # --- support_vectors: loops, one array ---
    Mistake(
        "support_vectors", "right class left out", Row.PATH_LEFT_OUT, "params", "upstream",
        {"                dW[:, y[i]] -= X[i]\n": ""},
    ),
    Mistake(
        "support_vectors", "data term summed", Row.BATCH_MEAN, "params", "scale regularizer",
        {"    dW /= len(X)\n": ""}, reading="N",
    ),
    Mistake(
        "support_vectors", "right class once a sample", Row.PATH_LEFT_OUT, "params", "upstream",
        {
            "                dW[:, y[i]] -= X[i]\n": "",
            "            if j == y[i]:\n": "            if j == y[i]:\n"
            "                dW[:, j] -= X[i]\n",
        },
    ),
    Mistake(
        "support_vectors", "penalty averaged too", Row.REGULARIZER, "params", "regularizer",
        {"    dW /= len(X)\n    dW += 2 * reg * W\n": "    dW += 2 * reg * W\n    dW /= len(X)\n"},
    ),
]  # fmt: skip

TOGETHER = [
    # independent ones in different blocks
    ("graph_convolution: A for Aᵀ", "graph_convolution: second weights decayed too"),
    ("deep_sets: c0 averaged", "deep_sets: padding not masked"),
    ("group_norm: mean and variance held constant", "group_norm: x for x̂ in gamma"),
    ("hidden_markov: from and to exchanged", "hidden_markov: 1/σ of the means left out"),
    ("variational: encoder through the mean alone", "variational: μ for z in Wd"),
    ("planar_flow: b averaged", "planar_flow: determinant's way to u left out"),
    ("factorization_machine: own squares left out", "factorization_machine: w0 averaged"),
    ("radial_basis: centres pushed away", "radial_basis: ridge missing"),
    ("skipgram: negatives drawn again added once", "skipgram: context updated first"),
    ("zero_inflated: X for Z", "zero_inflated: derivative in λ for log λ"),
    (
        "phase_retrieval: tanh' of the imaginary part missing",
        "phase_retrieval: not conjugated in V",
    ),
    (
        "causal_attention: keys by rows of the scores",
        "causal_attention: distances from the other end",
    ),
    ("experts: gate never computed", "experts: tanh' missing"),
    # on the same way back
    (
        "bidirectional: averaged over unobserved steps too",
        "bidirectional: state after for the one before",
    ),
    ("unet: skip left out", "unet: kernels flipped going back"),
    ("weight_norm: length held constant", "weight_norm: sin' with the sign of cos'"),
]  # fmt: skip

HELDOUT: list[Bug] = bugs_of(MISTAKES, TOGETHER)
