"""Minibatches: an endless stream of examples, one fresh permutation after another."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

# A key's own small splits are what `init` draws from; batches take a branch that those never reach.
_BRANCH = 2**32 - 1


class Stream(NamedTuple):
    """Where a trial is in its examples.

    Attributes:
        key: What its permutations are drawn from.
        which: int32, the place of its seed among the seeds that share a permutation, or None.
        order: ``[example] int32``, this epoch's permutation.
        place: int32, how many of them have been seen.
        epoch: int32, from 0.
    """

    key: Any
    which: Any
    order: Any
    place: Any
    epoch: Any


def open_stream(seed: Any, examples: int, seeds: Any = None) -> Stream:
    """Opens the stream of a seed at the beginning of its first epoch.

    Args:
        seed: uint32.
        examples: How many there are.
        seeds: ``[seed] uint32``, ascending, the seeds of all trials where they are few: side by side each of their
            permutations is then drawn once, and not once for every trial. None where they are many.
    """
    key, epoch = _key_of(seed), jnp.int32(0)
    which = None if seeds is None else jnp.searchsorted(seeds, seed).astype(jnp.int32)
    return Stream(key, which, _permutation(key, which, epoch, examples, seeds), jnp.int32(0), epoch)


def next_batch(stream: Stream, size: int, seeds: Any = None) -> tuple[Any, Stream]:
    """Gives the next examples of a stream, and the stream after them.

    Every epoch holds each example once. What an epoch leaves over begins the next one's first batch, so that all
    batches are of one size and no example is passed over.

    Args:
        stream: Where it is.
        size: How many examples, no more than there are.
        seeds: What the stream was opened with.

    Returns:
        ``[size] int32``, the places of the examples in the data; and the stream.

    Example:
        >>> stream = open_stream(7, 4)
        >>> first, stream = next_batch(stream, 3)
        >>> second, stream = next_batch(stream, 3)
        >>> sorted([*first.tolist(), second.tolist()[0]]), int(stream.epoch), int(stream.place)
        ([0, 1, 2, 3], 1, 2)
    """
    examples = stream.order.size
    places = stream.place + jnp.arange(size, dtype=jnp.int32)

    def within(stream: Stream) -> tuple[Any, Stream]:
        return stream.order[places], stream._replace(place=stream.place + size)

    def across(stream: Stream) -> tuple[Any, Stream]:
        epoch = stream.epoch + 1
        order = _permutation(stream.key, stream.which, epoch, examples, seeds)
        old = stream.order[jnp.minimum(places, examples - 1)]
        new = order[jnp.maximum(places - examples, 0)]
        batch = jnp.where(places < examples, old, new)
        return batch, Stream(stream.key, stream.which, order, stream.place + size - examples, epoch)

    return lax.cond(stream.place + size < examples, within, across, stream)


def _key_of(seed: Any) -> Any:
    return jax.random.fold_in(jax.random.key(seed), _BRANCH)


def _permutation(key: Any, which: Any, epoch: Any, examples: int, seeds: Any) -> Any:
    def draw(key: Any) -> Any:
        return jax.random.permutation(jax.random.fold_in(key, epoch), jnp.arange(examples, dtype=jnp.int32))

    if seeds is None:
        return draw(key)
    return jax.vmap(lambda seed: draw(_key_of(seed)))(seeds)[which]
