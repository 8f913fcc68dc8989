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


def next_batches(stream: Stream, count: int, size: int, seeds: Any = None) -> tuple[Any, Stream]:
    """Gives the next batches of a stream, and the stream after them.

    Every epoch holds each example once. The examples that an epoch leaves over begin the first batch of the next one,
    so that all batches have one size and no example is passed over.

    Args:
        stream: The stream.
        count: How many batches to give.
        size: How many examples a batch has, at most as many as there are.
        seeds: The seeds that the stream was opened with.

    Returns:
        ``[count, size] int32``, the indices of the examples in the data; and the stream after them.

    Example:
        >>> batches, stream = next_batches(open_stream(7, 4), 2, 3)
        >>> sorted(batches.ravel()[:4].tolist()), int(stream.epoch), int(stream.position)
        ([0, 1, 2, 3], 1, 2)
    """
    examples = stream.order.size
    positions = stream.position + jnp.arange(count * size, dtype=jnp.int32).reshape(count, size)
    end = stream.position + count * size

    def stay_in_epoch(stream: Stream) -> tuple[Any, Stream]:
        return stream.order[positions], stream._replace(position=end)

    def begin_next_epochs(stream: Stream) -> tuple[Any, Stream]:
        def draw(epoch: Any) -> Any:
            return _permutation(stream.key, stream.seed_index, epoch, examples, seeds)

        most, ended = -(-count * size // examples), end // examples
        begun = lax.map(draw, stream.epoch + 1 + jnp.arange(most, dtype=jnp.int32))
        orders = jnp.concatenate([stream.order[None], begun])
        after = stream._replace(order=orders[ended], position=end - ended * examples, epoch=stream.epoch + ended)
        return orders.ravel()[positions], after

    return lax.cond(end < examples, stay_in_epoch, begin_next_epochs, stream)


def _key_of(seed: Any) -> Any:
    return jax.random.fold_in(jax.random.key(seed), _BRANCH)


def _permutation(key: Any, seed_index: Any, epoch: Any, examples: int, seeds: Any) -> Any:
    def draw(key: Any) -> Any:
        return jax.random.permutation(jax.random.fold_in(key, epoch), jnp.arange(examples, dtype=jnp.int32))

    if seeds is None:
        return draw(key)
    # Every trial draws the same permutations and takes its seed's: side by side they are drawn once for all trials.
    return jax.vmap(lambda seed: draw(_key_of(seed)))(seeds)[seed_index]
