"""A small convolutional network by im2col: an object, its parameters in a dict.

One convolution (valid, stride 1), ReLU, the mean over all places, a linear read-out, and the mean
over the batch of the squared error.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

import tricheck

Array = npt.NDArray[np.float64]


class ConvNet:
    def __init__(self, rng: np.random.Generator) -> None:
        self.params = {
            "kernel": rng.standard_normal((3, 2, 2, 3)),
            "shift": rng.standard_normal(3),
            "readout": rng.standard_normal((3, 2)),
            "offset": rng.standard_normal(2),
        }

    def im2col(self, images: Array) -> Array:
        """(N, C, H, W) to (N, places, C kh kw)."""
        _, C, kh, kw = self.params["kernel"].shape
        windows = sliding_window_view(images, (kh, kw), axis=(2, 3))
        N, _, H, W = windows.shape[:4]
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(N, H * W, C * kh * kw)

    def predict(self, images: Array) -> Array:
        kernel = self.params["kernel"]
        self.columns = self.im2col(images)
        self.maps = self.columns @ kernel.reshape(len(kernel), -1).T + self.params["shift"]
        self.active = np.maximum(self.maps, 0.0)
        self.pooled = self.active.mean(axis=1)
        out: Array = self.pooled @ self.params["readout"] + self.params["offset"]
        return out

    def loss(self, images: Array, targets: Array) -> float:
        difference = self.predict(images) - targets
        mse: float = (difference**2).sum() / len(images)
        return mse

    def backprop(self, images: Array, targets: Array) -> dict[str, Array]:
        prediction = self.predict(images)
        dprediction = 2.0 * (prediction - targets) / len(images)
        dpooled = dprediction @ self.params["readout"].T
        places = self.maps.shape[1]
        dactive = np.repeat(dpooled[:, None, :], places, axis=1) / places
        dmaps = dactive * (self.maps > 0.0)
        dkernel = np.tensordot(dmaps, self.columns, axes=([0, 1], [0, 1]))
        return {
            "kernel": dkernel.reshape(self.params["kernel"].shape),
            "shift": dmaps.sum(axis=(0, 1)),
            "readout": self.pooled.T @ dprediction,
            "offset": dprediction.sum(axis=0),
        }


# three images of two channels, 4 by 5
rng = np.random.default_rng(203)
net = ConvNet(rng)
images = rng.standard_normal((3, 2, 4, 5))
targets = rng.standard_normal((3, 2))

model = tricheck.Model.from_object(
    net,
    ["params['kernel']", "params['shift']", "params['readout']", "params['offset']"],
    ConvNet.loss,
    ConvNet.backprop,
    args=(images, targets),
    name="im2col_net",
)
