"""The networks that are trained on batches: digits by two MLPs and a CNN, and characters by a transformer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import read_digits
from jax import lax

import lrsweep

Params = Mapping[str, Any]
Data = Mapping[str, jax.Array]

# Of the transformer: characters that it sees, features, heads, blocks.
CONTEXT, FEATURES, HEADS, BLOCKS = 32, 32, 2, 2

# What it reads: this repository's licence.
TEXT = Path(__file__).parents[2] / "LICENSE"


def init_dense(key: jax.Array, inputs: int, outputs: int) -> dict[str, jax.Array]:
    """Samples weights for a ReLU network (He et al., 2015, arXiv:1502.01852), with biases of 0."""
    weights = jnp.sqrt(2 / inputs) * jax.random.normal(key, (inputs, outputs))
    return {"weights": weights, "biases": jnp.zeros(outputs)}


def dense(layer: Mapping[str, jax.Array], inputs: jax.Array) -> jax.Array:
    """Multiplies the inputs by the weights, and adds the biases."""
    return inputs @ layer["weights"] + layer["biases"]


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Computes the mean cross-entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def digits() -> lrsweep.Objective:
    """Makes a 64-32-10 network on scikit-learn's digits, in batches of 128."""
    pixels, labels = read_digits()
    data = {"pixels": pixels, "labels": labels}
    return lrsweep.Objective(mlp_loss, init_small_mlp, data=data, batch_size=128, name="digits")


def large_mlp() -> lrsweep.Objective:
    """Makes a 784-256-256-10 network on 512 of the digits, enlarged to 28 x 28 pixels, in batches of 128."""
    pixels, labels = (array[:512] for array in read_digits())
    # Three pixels for every one, and two more on each side.
    enlarged = np.kron(pixels.reshape(-1, 8, 8), np.ones((1, 3, 3), np.float32))
    images = np.pad(enlarged, [(0, 0), (2, 2), (2, 2)])
    data = {"pixels": images.reshape(-1, 28 * 28), "labels": labels}
    return lrsweep.Objective(mlp_loss, init_large_mlp, data=data, batch_size=128, name="MLP")


def init_small_mlp(key: jax.Array) -> Params:
    """Samples the parameters of the network on small digits."""
    first, second = jax.random.split(key)
    return {"first": init_dense(first, 64, 32), "output": init_dense(second, 32, 10)}


def init_large_mlp(key: jax.Array) -> Params:
    """Samples the parameters of the network on enlarged digits."""
    first, second, output = jax.random.split(key, 3)
    return {
        "first": init_dense(first, 784, 256),
        "second": init_dense(second, 256, 256),
        "output": init_dense(output, 256, 10),
    }


def mlp_loss(params: Params, data: Data) -> jax.Array:
    """Computes the cross-entropy of a ReLU network with as many hidden layers as its parameters have."""
    hidden = data["pixels"]
    for name in ("first", "second"):
        if name in params:
            hidden = jax.nn.relu(dense(params[name], hidden))
    return cross_entropy(dense(params["output"], hidden), data["labels"])


def cnn() -> lrsweep.Objective:
    """Makes a network of two convolutions, of 8 and 16 channels, on 256 of the 8 x 8 digits, in batches of 32."""
    pixels, labels = (array[:256] for array in read_digits())
    data = {"images": pixels.reshape(-1, 8, 8, 1), "labels": labels}
    return lrsweep.Objective(cnn_loss, init_cnn, data=data, batch_size=32, name="CNN")


def init_cnn(key: jax.Array) -> Params:
    """Samples the parameters of the convolutional network."""
    first, second, output = jax.random.split(key, 3)
    return {
        "first": init_dense(first, 3 * 3, 8),
        "second": init_dense(second, 3 * 3 * 8, 16),
        "output": init_dense(output, 2 * 2 * 16, 10),
    }


def cnn_loss(params: Params, data: Data) -> jax.Array:
    """Computes the cross-entropy of two convolutions, each followed by ReLU and max-pooling, and a dense layer."""
    maps = data["images"]
    for name in ("first", "second"):
        layer = params[name]
        kernel = layer["weights"].reshape(3, 3, maps.shape[-1], -1)
        convolved = lax.conv_general_dilated(maps, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        maps = halve(jax.nn.relu(convolved + layer["biases"]))
    return cross_entropy(dense(params["output"], maps.reshape(len(maps), -1)), data["labels"])


def halve(maps: jax.Array) -> jax.Array:
    """Takes the maximum of every 2 x 2 pixels: ``[image, row, column, channel]`` in and out."""
    images, rows, columns, channels = maps.shape
    return maps.reshape(images, rows // 2, 2, columns // 2, 2, channels).max((2, 4))


def transformer() -> lrsweep.Objective:
    """Makes a transformer of two blocks that predicts a text's next characters, on 64 windows in batches of 8."""
    _, tokens = np.unique(list(TEXT.read_text(encoding="utf-8")), return_inverse=True)
    windows = np.lib.stride_tricks.sliding_window_view(tokens, CONTEXT + 1)[::CONTEXT][:64]
    data = {"tokens": np.ascontiguousarray(windows, np.int32)}
    return lrsweep.Objective(transformer_loss, init_transformer, data=data, batch_size=8, name="transformer")


def init_transformer(key: jax.Array) -> Params:
    """Samples the transformer's parameters, normal with a deviation of 0.02 as in GPT-2."""
    characters = len(set(TEXT.read_text(encoding="utf-8")))
    keys = iter(jax.random.split(key, 3 + 4 * BLOCKS))

    def normal(*shape: int) -> jax.Array:
        return 0.02 * jax.random.normal(next(keys), shape)

    blocks = [
        {
            "attention_scale": jnp.ones(FEATURES),
            "queries_keys_values": normal(FEATURES, 3 * FEATURES),
            "attended": normal(FEATURES, FEATURES),
            "hidden_scale": jnp.ones(FEATURES),
            "hidden": normal(FEATURES, 4 * FEATURES),
            "output": normal(4 * FEATURES, FEATURES),
        }
        for _ in range(BLOCKS)
    ]
    return {
        "characters": normal(characters, FEATURES),
        "places": normal(CONTEXT, FEATURES),
        "blocks": blocks,
        "output_scale": jnp.ones(FEATURES),
        "output": normal(FEATURES, characters),
    }


def transformer_loss(params: Params, data: Data) -> jax.Array:
    """Computes the cross-entropy of every next character."""
    return cross_entropy(next_characters(params, data["tokens"][:, :-1]), data["tokens"][:, 1:])


def next_characters(params: Params, seen: jax.Array) -> jax.Array:
    """Computes the logits of every next character by pre-norm blocks, as in GPT-2, with RMS norms.

    Args:
        params: The parameters.
        seen: ``[window, place] int32``.

    Returns:
        ``[window, place, character]``.
    """
    states = params["characters"][seen] + params["places"]
    for block in params["blocks"]:
        states += attend(block, normalize(states) * block["attention_scale"])
        hidden = jax.nn.gelu(normalize(states) * block["hidden_scale"] @ block["hidden"])
        states += hidden @ block["output"]
    return normalize(states) * params["output_scale"] @ params["output"]


def normalize(states: jax.Array) -> jax.Array:
    """Divides by the root mean square over the features (Zhang and Sennrich, 2019, arXiv:1910.07467)."""
    return states * lax.rsqrt(jnp.mean(states**2, axis=-1, keepdims=True) + 1e-6)


def attend(block: Params, states: jax.Array) -> jax.Array:
    """Computes causal self-attention with several heads: ``[window, place, feature]`` in and out."""
    windows, places, _ = states.shape
    projected = (states @ block["queries_keys_values"]).reshape(windows, places, 3, HEADS, FEATURES // HEADS)
    queries, keys, values = (projected[:, :, part] for part in range(3))
    attended = jax.nn.dot_product_attention(queries, keys, values, is_causal=True)
    return attended.reshape(windows, places, FEATURES) @ block["attended"]
