"""Arrays as the bytes of a file: their names, dtypes and shapes, their bits, and a checksum of it all."""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

# Every array begins at a multiple of this, counted from the first.
_ALIGNMENT = 64

# The header's length is written in so many bytes.
_LENGTH_BYTES = 8

_DIGEST_BYTES = hashlib.sha256().digest_size


def describe_arrays(tree: Any) -> list[list[Any]]:
    """Lists the leaves of a pytree, which need no more than a shape and a dtype: the name, dtype and shape of each.

    Example:
        >>> describe_arrays({"w": np.zeros((2, 3), np.float32), "count": np.int32(7)})
        [["['count']", 'int32', []], ["['w']", 'float32', [2, 3]]]
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [[jax.tree_util.keystr(path), str(leaf.dtype), list(leaf.shape)] for path, leaf in leaves]


def encode_arrays(about: Mapping[str, Any], tree: Any) -> bytes:
    """Gives the content of a file of arrays.

    Args:
        about: What the file says of itself, as JSON can hold it.
        tree: A pytree of arrays, on the host or on one device. They are fetched one after another.

    Example:
        >>> content = encode_arrays({"shard": 3}, {"w": np.float32([0.5, -2])})
        >>> about, arrays = decode_arrays(content)
        >>> about, arrays[0].tolist()
        ({'shard': 3, 'arrays': [["['w']", 'float32', [2]]]}, [0.5, -2.0])
    """
    header = json.dumps({**about, "arrays": describe_arrays(tree)}).encode()
    digest, sink = hashlib.sha256(), io.BytesIO()

    def write(part: Any) -> None:
        digest.update(part)
        sink.write(part)

    write(len(header).to_bytes(_LENGTH_BYTES, "little"))
    write(header)
    for leaf in jax.tree.leaves(tree):
        flat = np.ascontiguousarray(_fetch(leaf)).reshape(-1).view(np.uint8)
        write(flat.data)
        write(bytes(-flat.size % _ALIGNMENT))
    sink.write(digest.digest())
    return sink.getvalue()


def _fetch(leaf: Any) -> Any:
    # An array of JAX keeps what was fetched of it, and with that its memory; not so the copy of its only shard.
    return leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf


def decode_arrays(content: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Undoes `encode_arrays`.

    Args:
        content: The content of a file.

    Returns:
        What it says of itself, with the description of its arrays under `arrays`; and the arrays, which share their
        memory with the content.

    Raises:
        ValueError: It was cut, or has other bytes than were written.
    """
    body = memoryview(content)[:-_DIGEST_BYTES]
    if hashlib.sha256(body).digest() != content[-_DIGEST_BYTES:]:
        raise ValueError("it is damaged")
    start = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    header = json.loads(bytes(body[_LENGTH_BYTES:start]))
    arrays = []
    for _, name, shape in header["arrays"]:
        dtype, count = np.dtype(name), math.prod(shape)
        array = np.frombuffer(body, np.uint8, count * dtype.itemsize, start)
        arrays.append(array.view(dtype).reshape(shape))
        start += array.size + -array.size % _ALIGNMENT
    return header, arrays
