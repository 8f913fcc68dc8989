"""Compile-time description of a program's trials: the shapes of their state, what they share, their size."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.engine._batch_last import widest
from lrsweep.engine._block import TrialState, start_lane
from lrsweep.engine._cache import cached
from lrsweep.engine._jaxpr import differing, is_bounded, read
from lrsweep.engine._scalarize import MAX_OPERATIONS, count_scalars
from lrsweep.training._monitor import StopLimits
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState, evaluate, start_trial, update

# How many programs' descriptions are kept.
MOST_SPECS = 256


class StateSpec(NamedTuple):
    """Compile-time description of a trial's state.

    Attributes:
        common: Which leaves of their state are the same for all trials side by side: counts, which depend on nothing
            that differs between them.
        kinds: What kind of key each leaf is, or None where it is a number.
        records: How many losses are recorded.
        guarded: Whether their parameters must stay finite: with others an update, or a metric, might not come to its
            end.
    """

    common: tuple[bool, ...]
    kinds: tuple[Any, ...]
    records: int
    guarded: bool


class ProgramSpec(NamedTuple):
    """Compile-time description of a program's trials.

    Attributes:
        state_spec: That of their state.
        state: One trial's state as the host holds it: shapes and dtypes, keys as the numbers that they are made of.
        small: Whether an update is small enough to be computed on separate scalars.
        widest: The size in bytes of the largest array that an update makes for one trial, where it suits the lanes as
            the last axis; or None.
    """

    state_spec: StateSpec
    state: TrialState
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
    """Gives the shape and dtype of a column: weakly typed, as Python's own numbers are.

    What they meet decides the precision. A strongly typed learning rate would turn the state of an optimizer of 16-bit
    parameters to 32-bit at its first update.
    """
    return jax.ShapeDtypeStruct(shape, dtype, weak_type=True, sharding=sharding)


def find_spec(
    program: Program, columns: Mapping[str, np.ndarray], shared: SharedInputs, limits: StopLimits, records: int
) -> ProgramSpec:
    """Describes a program's trials; what it finds is kept, and given again.

    Args:
        program: What is compiled.
        columns: The trials' columns.
        shared: What all trials share.
        limits: What ends them.
        records: How many losses to record.
    """
    row = _Like.of({name: weak((), column.dtype) for name, column in columns.items()})
    numbers = _Like.of(jax.eval_shape(lambda: jax.tree.map(jnp.asarray, limits)))
    config: Any = jax.config
    modes = config.jax_enable_x64, config.jax_enable_custom_prng
    return _find_spec(program, row, _Like.of(shared), numbers, records, modes)


@cached(MOST_SPECS)
def _find_spec(
    program: Program, row: _Like, shared: _Like, limits: _Like, records: int, _: tuple[Any, ...]
) -> ProgramSpec:
    kinds: list[Any] = []
    seed, k = jax.ShapeDtypeStruct((), np.uint32), jax.ShapeDtypeStruct((), np.int32)
    arguments = row.shapes(), shared.shapes(), limits.shapes()

    def begin(guarded: bool, seed: Any, row: Any, shared: Any, _: Any) -> TrainState:
        return start_trial(program, row, seed, shared, guarded=guarded)

    def go_on(k: Any, train: TrainState, row: Any, shared: Any, limits: Any) -> TrainState:
        return update(program, row, shared, limits, k, train, predicting=True)[0]

    def judge(train: TrainState, row: Any, shared: Any) -> Any:
        return evaluate(program, row, shared, train, train.predicted_decrease)

    def start(seed: Any, row: Any, shared: Any, _: Any) -> TrialState:
        state = start_lane(program, row, seed, shared, records, guarded=guarded)
        kinds[:] = [jax.random.key_impl(leaf) if is_key(leaf) else None for leaf in jax.tree.leaves(state)]
        return state

    train = jax.eval_shape(partial(begin, False), seed, *arguments)
    judged, moved = read(judge, train, *arguments[:2])[0], read(go_on, k, train, *arguments)[0]
    guarded = not _otherwise(False, lambda: is_bounded(judged) and is_bounded(moved))
    if guarded:
        train = jax.eval_shape(partial(begin, True), seed, *arguments)
        moved = read(go_on, k, train, *arguments)[0]
    started = read(partial(begin, guarded), seed, *arguments)[0]
    none = [False for _ in jax.tree.leaves(train)]
    common = _otherwise(none, lambda: _in_common(started, moved, train, arguments))
    state = jax.eval_shape(start, seed, *arguments)
    rest = [False for _ in jax.tree.leaves((state.monitor, state.curve))]
    own = [False, *(not leaf for leaf in common), *_by_row(arguments)]
    return ProgramSpec(
        StateSpec((True, *common, *rest), tuple(kinds), records, guarded),
        jax.eval_shape(as_numbers, state),
        program.sees_loss and not guarded and _otherwise(False, lambda: count_scalars(moved) <= MAX_OPERATIONS),
        _otherwise(None, lambda: widest(moved, own)),
    )


def _otherwise(without: Any, found: Callable[[], Any]) -> Any:
    """Gives what is found out of a computation, or what to do without it: JAX may say it in new ways."""
    try:
        return found()
    except Exception:
        return without


def _by_row(arguments: Any) -> list[bool]:
    """Tells which leaves of the row, of the shared inputs and of the limits are the row's."""
    return [place == 0 for place, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]


def _in_common(started: Any, moved: Any, train: TrainState, arguments: Any) -> list[bool]:
    """Tells which leaves of a train state depend neither on the row nor on the seed, however many updates there are."""
    by_row = _by_row(arguments)
    # The parameters and what is known of them are a trial's own in any case.
    own = [
        name not in ("optimizer", "batches") for name, tree in train._asdict().items() for _ in jax.tree.leaves(tree)
    ]
    lanes = [first or mine for first, mine in zip(differing(started, [True, *by_row]), own, strict=True)]
    while True:
        after = [before or now for before, now in zip(lanes, differing(moved, [False, *lanes, *by_row]), strict=True)]
        if after == lanes:
            return [not lane for lane in lanes]
        lanes = after


def as_numbers(state: Any) -> Any:
    """Puts the numbers that keys are made of in their place, so that the host can hold the state."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, state)


def with_keys(numbers: Any, kinds: Sequence[Any]) -> Any:
    """Undoes `as_numbers`."""
    leaves, structure = jax.tree.flatten(numbers)
    pairs = zip(leaves, kinds, strict=True)
    return structure.unflatten(jax.random.wrap_key_data(leaf, impl=kind) if kind else leaf for leaf, kind in pairs)


def is_key(leaf: Any) -> bool:
    """Tells whether an array holds keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
