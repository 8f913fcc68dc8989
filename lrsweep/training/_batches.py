"""Minibatches: an endless stream of examples, in a fresh permutation every epoch."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

# Folded into a seed's key it makes the key of the batches, which none of the splits that `init` draws from reach.
_BRANCH = 2**32 - 1


class Stream(NamedTuple):
    """The position of a trial in its stream of examples.

    Attributes:
        key: The key that its permutations are drawn with.
        seed_index: int32, the index of its seed among the seeds that many trials share; None where they are not given.
        order: ``[example] int32``, this epoch's permutation.
        position: int32, how many examples of this epoch have been seen.
        epoch: int32, the number of the epoch, from 0.
    """

    key: Any
    seed_index: Any
    order: Any
    position: Any
    epoch: Any


def open_stream(seed: Any, examples: int, seeds: Any = None) -> Stream:
    """Opens the stream of a seed at the beginning of its first epoch.

    Args:
        seed: uint32, the trial's seed.
        examples: How many examples there are.
        seeds: ``[seed] uint32``, ascending, the distinct seeds of all trials where they are few. A permutation is then
            drawn once per seed, rather than once per trial. None where they are many.
    """
    key, epoch = _key_of(seed), jnp.int32(0)
    seed_index = None if seeds is None else jnp.searchsorted(seeds, seed).astype(jnp.int32)
    return Stream(key, seed_index, _permutation(key, seed_index, epoch, examples, seeds), jnp.int32(0), epoch)


def next_batch(stream: Stream, size: int, seeds: Any = None) -> tuple[Any, Stream]:
    """Gives the next examples of a stream, and the stream after them.

    Every epoch holds each example once. The examples that an epoch leaves over begin the first batch of the next one,
    so that all batches have one size and no example is passed over.

    Args:
        stream: The stream.
        size: How many examples to give, at most as many as there are.
        seeds: The seeds that the stream was opened with.

    Returns:
        ``[size] int32``, the indices of the examples in the data; and the stream after them.

    Example:
        >>> stream = open_stream(7, 4)
        >>> first, stream = next_batch(stream, 3)
        >>> second, stream = next_batch(stream, 3)
        >>> sorted([*first.tolist(), second.tolist()[0]]), int(stream.epoch), int(stream.position)
        ([0, 1, 2, 3], 1, 2)
    """
    examples = stream.order.size
    positions = stream.position + jnp.arange(size, dtype=jnp.int32)

    def stay_in_epoch(stream: Stream) -> tuple[Any, Stream]:
        return stream.order[positions], stream._replace(position=stream.position + size)

    def begin_next_epoch(stream: Stream) -> tuple[Any, Stream]:
        epoch = stream.epoch + 1
        order = _permutation(stream.key, stream.seed_index, epoch, examples, seeds)
        left_over = stream.order[jnp.minimum(positions, examples - 1)]
        first = order[jnp.maximum(positions - examples, 0)]
        batch = jnp.where(positions < examples, left_over, first)
        return batch, Stream(stream.key, stream.seed_index, order, stream.position + size - examples, epoch)

    return lax.cond(stream.position + size < examples, stay_in_epoch, begin_next_epoch, stream)


def _key_of(seed: Any) -> Any:
    return jax.random.fold_in(jax.random.key(seed), _BRANCH)


def _permutation(key: Any, seed_index: Any, epoch: Any, examples: int, seeds: Any) -> Any:
    def draw(key: Any) -> Any:
        return jax.random.permutation(jax.random.fold_in(key, epoch), jnp.arange(examples, dtype=jnp.int32))

    if seeds is None:
        return draw(key)
    # Every trial draws the same permutations and takes its seed's: side by side they are drawn once for all trials.
    return jax.vmap(lambda seed: draw(_key_of(seed)))(seeds)[seed_index]
