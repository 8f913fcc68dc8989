"""Arrays as bytes: every dtype comes back to the bit, and nothing that was cut or changed is read."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lrsweep.store._arrays import decode_arrays, describe_arrays, encode_arrays

DTYPES: list[Any] = [
    *(np.bool_, np.int8, np.uint32, np.int64, np.float16, np.float32, np.float64, np.complex64),
    *(jnp.bfloat16, jnp.float8_e4m3fn, jnp.float8_e5m2, jnp.float8_e4m3b11fnuz, jnp.int4),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (2, 3, 5)])
def test_arrays_come_back_to_the_bit_with_their_dtype_and_shape(dtype: Any, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(dtype)
    bits = np.random.default_rng(0).integers(0, 2 if dtype == np.bool_ else 8, (*shape, dtype.itemsize), np.uint8)
    array = bits.view(dtype).reshape(shape)
    about, (back, other) = decode_arrays(encode_arrays({"a": [1]}, (array, np.float32(7))))
    assert about == {"a": [1], "arrays": describe_arrays((array, np.float32(7)))}
    assert (back.dtype, back.shape, back.tobytes()) == (dtype, shape, array.tobytes())
    assert other == 7


def test_arrays_of_a_device_and_views_that_are_not_contiguous_are_written_by_value() -> None:
    view = np.arange(24.0).reshape(2, 3, 4)[:, ::2, 1]
    _, arrays = decode_arrays(encode_arrays({}, {"device": jnp.arange(5, dtype=jnp.bfloat16), "view": view}))
    assert [array.tolist() for array in arrays] == [[0, 1, 2, 3, 4], view.tolist()]


def test_whatever_byte_is_changed_and_wherever_it_is_cut_it_is_refused() -> None:
    content = encode_arrays({"shard": 1}, np.arange(3.0))
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        for damaged in (changed, content[:place]):
            with pytest.raises(ValueError, match="it is damaged"):
                decode_arrays(damaged)
