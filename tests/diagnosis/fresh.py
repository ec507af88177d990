"""More injected bugs, in models of other styles; once held out, by now known like `bugs`."""

from __future__ import annotations

import numpy as np

from tests.diagnosis.bug import Bug, Mistake, Row, bugs_of

BIAS_MEAN = "bias-reduction scale"
UNREDUCED = "bias-reduction shape"
ALL_OF_SELU = " ".join(f"dense{n}.{block}" for n in range(3) for block in "Wb")

MISTAKES = [
    # --- softplus_einsum: weights of shape (out, in), a named tuple ---
    Mistake(
        "softplus_einsum", "σ missing in the second layer", Row.DERIVATIVE_MISSING, "A a B b",
        "activation-derivative", {"u2_bar = s2_bar / (1.0 + np.exp(-u2))": "u2_bar = s2_bar"},
    ),
    Mistake(
        "softplus_einsum", "σ of the output in the first layer", Row.DERIVATIVE_ELSEWHERE, "A a",
        "activation-derivative",
        {"s1_bar / (1.0 + np.exp(-u1))": "s1_bar / (1.0 + np.exp(-s1))"},
    ),
    Mistake(
        "softplus_einsum", "B the other way round", Row.NOT_TRANSPOSED, "A a", "upstream",
        {'np.einsum("nk,kh->nh", u2_bar, theta.B)': 'np.einsum("nk,hk->nh", u2_bar, theta.B)'},
    ),
    Mistake(
        "softplus_einsum", "indices of dB exchanged", Row.TRANSPOSED, "B", "transposed",
        {'"nk,nh->kh"': '"nk,nh->hk"'},
    ),
    Mistake(
        "softplus_einsum", "u1 for s1", Row.CACHED_INPUT, "B", "cached-input",
        {"u2_bar, s1),": "u2_bar, u1),"},
    ),
    Mistake(
        "softplus_einsum", "a from all units", Row.BIAS_MEAN, "a", "bias-reduction",
        {'a=np.einsum("nh->h", u1_bar)': 'a=np.einsum("nh->", u1_bar) * np.ones(4)'},
    ),
    Mistake(
        "softplus_einsum", "not averaged", Row.BATCH_MEAN, "A a B b C c", "scale",
        {"y_bar = (y - t) / batch": "y_bar = y - t"}, reading="N",
    ),
    Mistake(
        "softplus_einsum", "C updated first", Row.STALE_WEIGHTS, "A a B b", "stale-weights",
        {
            's2_bar = np.einsum("no,ok->nk", y_bar, theta.C)':
            'C = theta.C - 0.02 * np.einsum("no,nk->ok", y_bar, s2)\n'
            '    s2_bar = np.einsum("no,ok->nk", y_bar, C)'
        },
    ),
    # --- sequence_classifier: lists ---
    Mistake(
        "sequence_classifier", "only the last step", Row.CARRY, "Wx Ws bs", "upstream",
        {'ds = w["Ws"].T @ da': "ds = 0.0 * da"},
    ),
    Mistake(
        "sequence_classifier", "Ws untransposed", Row.NOT_TRANSPOSED, "Wx Ws bs", "upstream",
        {'ds = w["Ws"].T @ da': 'ds = w["Ws"] @ da'},
    ),
    Mistake(
        "sequence_classifier", "the state after for the one before", Row.CACHED_INPUT, "Ws",
        "cached-input", {"np.outer(da, states[t])": "np.outer(da, states[t + 1])"},
        line='state = np.tanh(w["Wx"]',
    ),
    Mistake(
        "sequence_classifier", "tanh' of the state before", Row.DERIVATIVE_ELSEWHERE, "Wx Ws bs",
        "activation-derivative", {"1.0 - states[t + 1] ** 2": "1.0 - states[t] ** 2"},
        line='state = np.tanh(w["Wx"]',
    ),
    Mistake(
        "sequence_classifier", "p(1 - p) as for a squared error", Row.EXTRA_DERIVATIVE,
        "Wx Ws bs Wo bo", "activation-derivative",
        {"p[label] -= 1.0\n": "q = p * (1 - p)\n        p[label] -= 1\n        p *= q\n"},
    ),
    Mistake(
        "sequence_classifier", "bs never added up", Row.ZERO, "bs", "zero",
        {'            grad["bs"] += da\n': ""},
    ),
    # --- im2col_net ---
    Mistake(
        "im2col_net", "divided by the side", Row.POOLING, "params['kernel'] params['shift']",
        "scale", {"axis=1) / places": "axis=1) / 3"},
    ),
    Mistake(
        "im2col_net", "kernel axes mixed up", Row.PERMUTED, "params['kernel']",
        "permuted transposed",
        {'dkernel.reshape(self.params["kernel"].shape)':
         "dkernel.reshape(3, 2, 3, 2).transpose(0, 1, 3, 2)"},
    ),
    Mistake(
        "im2col_net", "ReLU's gate by the pooled value", Row.DERIVATIVE_ELSEWHERE,
        "params['kernel'] params['shift']", "activation-derivative",
        {"dactive * (self.maps > 0.0)": "dactive * (self.pooled > 0.0)[:, None, :]"},
        line="self.active = np.maximum(",
    ),
    Mistake(
        "im2col_net", "shift averaged over the places", Row.BIAS_MEAN, "params['shift']",
        BIAS_MEAN, {"dmaps.sum(axis=(0, 1))": "dmaps.sum(axis=0).mean(axis=0)"},
    ),
    Mistake(
        "im2col_net", "offset over the wrong axis", Row.NOT_REDUCED, "params['offset']",
        UNREDUCED, {"dprediction.sum(axis=0)": "dprediction.sum(axis=1)"},
    ),
    # --- cross_attention ---
    Mistake(
        "cross_attention", "Jacobian without its sum", Row.SOFTMAX_DIAGONAL, "y P R", "upstream",
        {"w * (dw - (dw * w).sum(axis=1, keepdims=True))": "w * dw"},
    ),
    Mistake(
        "cross_attention", "way around left out", Row.PATH_LEFT_OUT, "y", "upstream",
        {'"y": G + dq @ t["P"].T': '"y": dq @ t["P"].T'},
    ),
    Mistake(
        "cross_attention", "R transposed", Row.TRANSPOSED, "R", "transposed",
        {'"R": m.T @ dk': '"R": dk.T @ m'},
    ),
    Mistake(
        "cross_attention", "queries for the memory", Row.CACHED_INPUT, "R", "cached-input",
        {'"R": m.T @ dk': '"R": t["y"].T @ dk'},
    ),
    Mistake(
        # d is the keys' dimension, and P and R get nothing but the constant.
        "cross_attention", "1/d for 1/√d", Row.BLOCK_SCALE, "y P R", "scale upstream",
        {"dlogits /= np.sqrt(q.shape[1])": "dlogits /= q.shape[1]"},
    ),
    # --- rms_norm and gated_unit: layers ---
    Mistake(
        "rms_norm", "root held constant", Row.STATISTICS, "x", "upstream",
        {"dx = dn / r - x * (dn * x).mean(axis=-1, keepdims=True) / r**3": "dx = dn / r"},
    ),
    Mistake(
        "rms_norm", "gain not reduced", Row.NOT_REDUCED, "g", UNREDUCED,
        {"dg = (dout * x / r).sum(axis=0)": "dg = dout * x / r"},
    ),
    Mistake(
        "rms_norm", "x unnormalized in the gain", Row.CACHED_INPUT, "g", "cached-input",
        {"(dout * x / r).sum(axis=0)": "(dout * x).sum(axis=0)"},
    ),
    Mistake(
        "gated_unit", "swish' as σ", Row.DERIVATIVE_ELSEWHERE, "x A", "activation-derivative",
        {"dout * v * (s + u * s * (1.0 - s))": "dout * v * s"},
    ),
    Mistake(
        "gated_unit", "one branch to x", Row.PATH_LEFT_OUT, "x", "upstream",
        {'dx = du @ cache["A"].T + dv @ cache["B"].T': 'dx = du @ cache["A"].T'},
    ),
    Mistake(
        "gated_unit", "dout dropped in the gate", Row.UPSTREAM_DROPPED, "x A",
        "upstream nonlinear",
        {"du = dout * v * (s": "du = np.ones_like(dout) * v * (s"},
    ),
    # --- two_heads ---
    Mistake(
        "two_heads", "decay missing", Row.REGULARIZER, "U", "regularizer",
        {"X.T.dot(gz) + self.kappa * self.U": "X.T.dot(gz)"},
    ),
    Mistake(
        "two_heads", "variance head left out of the trunk", Row.PATH_LEFT_OUT, "U", "upstream",
        {" + np.outer(gs, self.v)": ""},
    ),
    Mistake(
        "two_heads", "variance head doubled", Row.BLOCK_SCALE, "v v0", "scale",
        {'"v": h.T': '"v": 2 * h.T', '"v0": gs': '"v0": 2 * gs'},
        reading="2",
    ),
    Mistake(
        "two_heads", "tanh' missing", Row.DERIVATIVE_MISSING, "U", "activation-derivative",
        {"gz = gh * (1.0 - h**2)": "gz = gh"}, line="h = np.tanh(",
    ),
    Mistake(
        # ½ (y − mu)² exp(−s) has a wrong derivative, from which the mean's way back starts.
        "two_heads", "precision left out", Row.UPSTREAM_DROPPED, "U m m0",
        "upstream activation-derivative",
        {"gmu = (mu - y) * precision / n": "gmu = (mu - y) / n"},
    ),
    # --- robust_curve: a flat vector of unlike numbers ---
    Mistake(
        "robust_curve", "the frequency's t squared", Row.FEW_ENTRIES, "params", "entries",
        {"-a * t * decay * np.sin(phase)": "-a * t**2 * decay * np.sin(phase)"},
    ),
    Mistake(
        "robust_curve", "decay's sign", Row.SIGN, "params", "entries sign",
        {"-a * t * decay * np.cos(phase)": "a * t * decay * np.cos(phase)"},
    ),  # one entry of five
    Mistake(
        "robust_curve", "weights of the square", Row.CLAMP, "params",
        "activation-derivative upstream",
        {"psi = r / np.sqrt(1 + (r / delta) ** 2)": "psi = r"},
    ),
    Mistake(
        "robust_curve", "summed", Row.BATCH_MEAN, "params", "scale",
        {"return J.T @ psi / len(t)": "return J.T @ psi"}, reading="N",
    ),
    Mistake(
        "robust_curve", "two columns in the other order", Row.PERMUTED, "params", "permuted",
        change=lambda g: g[[0, 1, 3, 2, 4]],
    ),
    # --- ratings ---
    Mistake(
        "ratings", "users' biases assigned", Row.SCATTER, "bu", "entries",
        {"dbu[i[n]] += de[n]": "dbu[i[n]] = de[n]"},
    ),
    Mistake(
        "ratings", "ridge halved", Row.REGULARIZER, "p q", "regularizer",
        {"dp, dq = 2 * lam * p, 2 * lam * q": "dp, dq = lam * p, lam * q"},
    ),
    Mistake(
        "ratings", "ridge at every rating of an item", Row.REGULARIZER, "q",
        "regularizer entries",  # only the few items rated twice have it doubled
        {"dq[j[n]] += de[n] * p[i[n]]": "dq[j[n]] += de[n] * p[i[n]] + 2 * lam * q[j[n]]",
         "2 * lam * p, 2 * lam * q": "2 * lam * p, np.zeros_like(q)"},
    ),
    Mistake(
        "ratings", "2 of the square missing", Row.SQUARE, "base bu bi p q", "scale regularizer",
        {"de = 2 * errors(": "de = errors("}, reading="1/2",
    ),
    Mistake(
        "ratings", "base averaged", Row.BIAS_MEAN, "base", BIAS_MEAN,
        {"np.array([de.sum()])": "np.array([de.mean()])"}, reading="1/N",
    ),
    # --- negative_binomial ---
    Mistake(
        # The derivative of another elementwise function, from which all starts.
        "negative_binomial", "Poisson's score", Row.UPSTREAM_DROPPED, "params[0]",
        "upstream activation-derivative",
        {"deta = (mu - y) * r / (r + mu)": "deta = mu - y"},
    ),
    Mistake(
        # A lone number is always some multiple of another; what is left out is exp'.
        "negative_binomial", "dr/dρ left out", Row.BLOCK_SCALE, "params[1]",
        "scale unknown activation-derivative",
        {"np.array([np.sum(dr) * r])": "np.array([np.sum(dr)])"},
    ),
    Mistake(
        "negative_binomial", "likelihood climbed", Row.SIGN, "params[0]", "sign",
        {"deta = (mu - y)": "deta = (y - mu)"},
    ),
    # --- mixture ---
    Mistake(
        "mixture", "weights held constant", Row.STATISTICS, "logits", "upstream",
        {'"logits": len(x) * weights - gamma.sum(axis=0)': '"logits": -gamma.sum(axis=0)'},
    ),
    Mistake(
        # σ = exp τ, of which the derivative is left out.
        "mixture", "τ as if σ", Row.DERIVATIVE_MISSING, "tau", "upstream activation-derivative",
        {"(gamma * (1.0 - z**2)).sum(axis=0)": "(gamma * (1.0 - z**2) / sigma).sum(axis=0)"},
    ),
    Mistake(
        "mixture", "means' sign", Row.SIGN, "mu", "sign",
        {"-(gamma * z / sigma)": "(gamma * z / sigma)"},
    ),
    # --- predator_prey ---
    Mistake(
        "predator_prey", "adjoint not carried", Row.CARRY, "start k", "upstream",
        {"lam = lam + 2.0 *": "lam = 2.0 *"},
    ),
    Mistake(
        "predator_prey", "way through the middle left out", Row.PATH_LEFT_OUT, "start k",
        "upstream", {"0.5 * H * lam + H * to_middle)": "0.5 * H * lam)"},
    ),
    Mistake(
        "predator_prey", "2 of the square missing", Row.SQUARE, "start k", "scale",
        {"lam + 2.0 * (states": "lam + (states"}, reading="1/2",
    ),
    # --- selu_single: float32 ---
    Mistake(
        "selu_single", "α without its exponential", Row.LEAKY_SLOPE,
        "dense0.W dense0.b dense1.W dense1.b", "activation-derivative",
        {"LAMBDA, LAMBDA * ALPHA * np.exp(np.minimum(z, 0)))": "LAMBDA, LAMBDA * ALPHA)"},
    ),
    Mistake(
        "selu_single", "selu' of the output", Row.DERIVATIVE_ELSEWHERE, "dense0.W dense0.b",
        "activation-derivative", {"* selu_prime(z1)": "* selu_prime(h1)"},
        line="h1 = selu(x @ layers",
    ),
    Mistake(
        "selu_single", "middle weights untransposed", Row.NOT_TRANSPOSED, "dense0.W dense0.b",
        "upstream", {'(d2 @ layers["dense1"]["W"].T)': '(d2 @ layers["dense1"]["W"])'},
    ),
    Mistake(
        "selu_single", "averaged over the batch only", Row.OUTPUT_MEAN, ALL_OF_SELU, "scale",
        {"np.float32(out.size)": "np.float32(len(out))"}, reading="K",
    ),
    # --- batch_normed_net ---
    Mistake(
        "batch_normed_net", "statistics held constant", Row.STATISTICS, "V", "upstream",
        {"dz = (dn - dn.mean(axis=0) - f.n * (dn * f.n).mean(axis=0)) / f.std": "dz = dn / f.std"},
    ),
    Mistake(
        "batch_normed_net", "gain left out", Row.UPSTREAM_DROPPED, "V", "upstream",
        {'dn = dpre * p["gamma"]': "dn = dpre"},
    ),
    Mistake(
        "batch_normed_net", "class weights left out", Row.UPSTREAM_DROPPED, "V gamma beta W c",
        "upstream", {"(each / each.sum())[:, None]": "1 / len(each)"},
    ),
    Mistake(
        "batch_normed_net", "gate by what was normalized", Row.DERIVATIVE_ELSEWHERE,
        "V gamma beta", "activation-derivative", {"da * (f.pre > 0)": "da * (f.n > 0)"},
    ),
    Mistake(
        "batch_normed_net", "W from before the ReLU", Row.CACHED_INPUT, "W", "cached-input",
        {"f.a.T @ ds": "f.pre.T @ ds"},
    ),
    Mistake(
        "batch_normed_net", "clipped at ±c", Row.CLIPPED, "gamma", "entries",
        change=lambda g: {**g, "gamma": np.clip(g["gamma"], -0.1, 0.1)},
    ),
]  # fmt: skip

TOGETHER = [
    ("softplus_einsum: indices of dB exchanged", "softplus_einsum: a from all units"),
    (
        "sequence_classifier: bs never added up",
        "sequence_classifier: the state after for the one before",
    ),
    ("two_heads: decay missing", "two_heads: variance head doubled"),
    ("ratings: ridge halved", "ratings: base averaged"),
    ("mixture: means' sign", "mixture: weights held constant"),
    ("batch_normed_net: gain left out", "batch_normed_net: W from before the ReLU"),
    ("selu_single: selu' of the output", "selu_single: averaged over the batch only"),
]  # fmt: skip

FRESH: list[Bug] = bugs_of(MISTAKES, TOGETHER)
