"""What is known of trials before one runs: the shapes of their state, what they share, whether they are small."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.dependence import dependent
from lrsweep.kept import keep
from lrsweep.lanes_last import UnsuitedError, widest
from lrsweep.program import Given, Program
from lrsweep.trial import Moving, State, is_small, start_trial, update
from lrsweep.watch import Limits

# Of how many programs the traits are kept.
MOST_TRAITS = 256


class Sort(NamedTuple):
    """What sort of trials a program is compiled for.

    Attributes:
        shared: Which leaves of their state are the same for all trials side by side: counts, which depend on nothing
            that differs between them.
        kinds: What kind of key each leaf is, or None where it is a number.
        records: How many losses are recorded.
    """

    shared: tuple[bool, ...]
    kinds: tuple[Any, ...]
    records: int


class Traits(NamedTuple):
    """What is known of the trials of a program.

    Attributes:
        sort: What sort they are.
        state: One trial's state as the host holds it: shapes and dtypes, keys as the numbers that they are made of.
        small: Whether an update is small enough to be computed on separate scalars.
        widest: The size in bytes of the largest array that an update makes for one trial, where it suits the lanes as
            the last axis; or None.
    """

    sort: Sort
    state: State
    small: bool
    widest: int | None


class _Like(NamedTuple):
    """The shapes and dtypes of a pytree, which can be a key to what has been kept."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], Any, bool], ...]

    @classmethod
    def of(cls, tree: Any) -> "_Like":
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple((leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves))

    def shapes(self) -> Any:
        return self.structure.unflatten(
            jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in self.leaves
        )


def weak(shape: tuple[int, ...], dtype: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    """The shape and dtype of a column: weakly typed, as Python's own numbers are.

    What they meet decides the precision. A strongly typed learning rate would turn the state of an optimizer of 16-bit
    parameters to 32-bit at its first update.
    """
    return jax.ShapeDtypeStruct(shape, dtype, weak_type=True, sharding=sharding)


def find_traits(
    program: Program, columns: Mapping[str, np.ndarray], given: Given, limits: Limits, records: int
) -> Traits:
    """The traits of a program's trials; they are kept, and given again.

    Args:
        program: What is compiled.
        columns: The trials' columns.
        given: What all trials share.
        limits: What ends them.
        records: How many losses to record.
    """
    row = _Like.of({name: weak((), column.dtype) for name, column in columns.items()})
    numbers = _Like.of(jax.eval_shape(lambda: jax.tree.map(jnp.asarray, limits)))
    config: Any = jax.config
    modes = config.jax_enable_x64, config.jax_enable_custom_prng
    return _traits(program, row, _Like.of(given), numbers, records, modes)


@keep(MOST_TRAITS)
def _traits(program: Program, row: _Like, given: _Like, limits: _Like, records: int, _: tuple[Any, ...]) -> Traits:
    kinds: list[Any] = []
    seed = jax.ShapeDtypeStruct((), np.uint32)
    arguments = row.shapes(), given.shapes(), limits.shapes()

    def start(seed: Any, row: Any, given: Any, _: Any) -> State:
        state = start_trial(program, row, seed, given, records)
        kinds[:] = [jax.random.key_impl(leaf) if is_key(leaf) else None for leaf in jax.tree.leaves(state)]
        return state

    def go_on(k: Any, moving: Moving, row: Any, given: Any, limits: Any) -> Moving:
        return update(program, row, given, limits, k, moving, promising=True)[0]

    state = jax.eval_shape(start, seed, *arguments)
    started = jax.make_jaxpr(lambda *arguments: start(*arguments).moving)(seed, *arguments)
    moved = jax.make_jaxpr(go_on)(state.k, state.moving, *arguments)
    shared = _independent(started.jaxpr, moved.jaxpr, state.moving, arguments)
    rest = [False for _ in jax.tree.leaves((state.watch, state.curve))]
    return Traits(
        Sort((True, *shared, *rest), tuple(kinds), records),
        jax.eval_shape(as_numbers, state),
        program.sees_loss and is_small(program, *arguments),
        _widest(moved.jaxpr, [False, *(not leaf for leaf in shared), *_by_row(arguments)]),
    )


def _widest(update: Any, own: Sequence[bool]) -> int | None:
    try:
        return widest(update, own)
    except UnsuitedError:
        return None


def _by_row(arguments: Any) -> list[bool]:
    """Which leaves of the row, of what all trials share and of the limits are the row's."""
    return [place == 0 for place, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]


def _independent(started: Any, moved: Any, moving: Moving, arguments: Any) -> list[bool]:
    """Which leaves of what an update changes depend neither on the row nor on the seed, however many there are."""
    by_row = _by_row(arguments)
    # The parameters and what they promise are a trial's own in any case.
    own = [part in (0, 3) for part, tree in enumerate(moving) for _ in jax.tree.leaves(tree)]
    lanes = [first or mine for first, mine in zip(dependent(started, [True, *by_row]), own, strict=True)]
    while True:
        after = [before or now for before, now in zip(lanes, dependent(moved, [False, *lanes, *by_row]), strict=True)]
        if after == lanes:
            return [not lane for lane in lanes]
        lanes = after


def as_numbers(state: Any) -> Any:
    """The same with keys as the numbers that they are made of, which the host can hold."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, state)


def with_keys(numbers: Any, kinds: Sequence[Any]) -> Any:
    """The state of which `as_numbers` gave the numbers."""
    leaves, structure = jax.tree.flatten(numbers)
    pairs = zip(leaves, kinds, strict=True)
    return structure.unflatten(jax.random.wrap_key_data(leaf, impl=kind) if kind else leaf for leaf, kind in pairs)


def is_key(leaf: Any) -> bool:
    """Whether an array holds keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
