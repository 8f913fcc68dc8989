"""Compile-time description of a program's trials: the shapes of their state, what they have in common, their size."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrsweep.engine._batch_last import widest
from lrsweep.engine._block import TrialState, start_lane
from lrsweep.engine._cache import cached
from lrsweep.engine._jaxpr import differing, is_bounded, trace
from lrsweep.engine._scalarize import MAX_OPERATIONS, count_scalars
from lrsweep.training._monitor import StopLimits
from lrsweep.training._program import Program, SharedInputs
from lrsweep.training._trial import TrainState, evaluate, start_trial, update

# How many programs' descriptions are cached.
MOST_SPECS = 256


class StateSpec(NamedTuple):
    """Compile-time description of a trial's state.

    Attributes:
        common: Which leaves of the state all trials side by side have in common, as they have an optimizer's count of
            updates: those that depend neither on a trial's columns nor on its seed.
        kinds: JAX's implementation of the keys in each leaf, or None where it holds numbers.
        records: At how many updates a trial is recorded.
        guarded: Whether the parameters must stay finite: on others an update or a metric might never end.
    """

    common: tuple[bool, ...]
    kinds: tuple[Any, ...]
    records: int
    guarded: bool


class ProgramSpec(NamedTuple):
    """Compile-time description of a program's trials.

    Attributes:
        state_spec: The description of a trial's state.
        state: The shapes and dtypes of one trial's state as the host holds it, with the numbers of keys in their place.
        small: Whether an update is small enough to be computed on separate scalars.
        widest: The size in bytes of the largest array that an update makes for one trial; None where an update is
            better computed with the lanes as the first axis.
    """

    state_spec: StateSpec
    state: TrialState
    small: bool
    widest: int | None


class Like(NamedTuple):
    """The shapes and dtypes of a pytree, hashable, so that they can be a key of a cache."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], Any, bool], ...]

    @classmethod
    def of(cls, tree: Any) -> "Like":
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple((leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves))

    def shapes(self, sharding: Any = None) -> Any:
        return self.structure.unflatten(
            jax.ShapeDtypeStruct(shape, dtype, weak_type=weak, sharding=sharding) for shape, dtype, weak in self.leaves
        )


def weak(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """Gives the shape and dtype of a column, weakly typed as Python's own numbers are.

    So the parameters decide the precision. A strongly typed 32-bit learning rate would turn an optimizer's 16-bit state
    to 32-bit at the first update.
    """
    return jax.ShapeDtypeStruct(shape, dtype, weak_type=True)


def like_limits(limits: StopLimits) -> StopLimits:
    """Gives the dtypes of the limits, which are Python's numbers."""
    return jax.tree.map(lambda number: weak((), jnp.result_type(number)), limits)


def precision() -> tuple[Any, ...]:
    """Gives the modes of JAX, beside those that `ordinary_modes` sets, on which what is compiled depends."""
    config: Any = jax.config
    names = "enable_x64", "enable_custom_prng", "default_matmul_precision", "threefry_partitionable"
    return tuple(getattr(config, f"jax_{name}") for name in names)


def find_spec(
    program: Program, columns: Mapping[str, np.ndarray], shared: SharedInputs, limits: StopLimits, records: int
) -> ProgramSpec:
    """Describes a program's trials, from the cache where it has before.

    Args:
        program: The functions that a trial calls.
        columns: The trials' columns by name.
        shared: The arrays that all trials share.
        limits: The limits that end a trial.
        records: At how many updates to record.
    """
    row = Like.of({name: weak((), column.dtype) for name, column in columns.items()})
    return _find_spec(program, row, Like.of(shared), Like.of(like_limits(limits)), records, precision())


@cached(MOST_SPECS)
def _find_spec(
    program: Program, row: Like, shared: Like, limits: Like, records: int, _: tuple[Any, ...]
) -> ProgramSpec:
    kinds: list[Any] = []
    seed, k = jax.ShapeDtypeStruct((), np.uint32), jax.ShapeDtypeStruct((), np.int32)
    arguments = row.shapes(), shared.shapes(), limits.shapes()

    def start(guarded: bool, seed: Any, row: Any, shared: Any, _: Any) -> TrainState:
        return start_trial(program, row, seed, shared, guarded=guarded)

    def advance(k: Any, train: TrainState, row: Any, shared: Any, limits: Any) -> TrainState:
        batch, batches = program.next_batches(train.batches, 1, shared)
        train = train._replace(batches=batches)
        return update(program, row, shared, limits, k, train, None if batch is None else batch[0], predicting=True)[0]

    def measure(train: TrainState, row: Any, shared: Any) -> Any:
        return evaluate(program, row, shared, train, train.predicted_decrease)

    def start_state(seed: Any, row: Any, shared: Any, _: Any) -> TrialState:
        state = start_lane(program, row, seed, shared, records, guarded=guarded)
        kinds[:] = [jax.random.key_impl(leaf) if is_key(leaf) else None for leaf in jax.tree.leaves(state)]
        return state

    train = jax.eval_shape(partial(start, False), seed, *arguments)
    evaluate_jaxpr, update_jaxpr = trace(measure, train, *arguments[:2])[0], trace(advance, k, train, *arguments)[0]
    guarded = not _try(lambda: is_bounded(evaluate_jaxpr) and is_bounded(update_jaxpr), otherwise=False)
    if guarded:
        train = jax.eval_shape(partial(start, True), seed, *arguments)
        update_jaxpr = trace(advance, k, train, *arguments)[0]
    start_jaxpr = trace(partial(start, guarded), seed, *arguments)[0]
    none = [False for _ in jax.tree.leaves(train)]
    common = _try(lambda: _in_common(start_jaxpr, update_jaxpr, train, arguments), otherwise=none)
    state = jax.eval_shape(start_state, seed, *arguments)
    not_train = [False for _ in jax.tree.leaves((state.monitor, state.curves))]
    differ = [False, *(not leaf for leaf in common), *_of_row(arguments)]
    is_small = program.sees_loss and not guarded
    return ProgramSpec(
        StateSpec((True, *common, *not_train), tuple(kinds), records, guarded),
        jax.eval_shape(as_numbers, state),
        is_small and _try(lambda: count_scalars(update_jaxpr) <= MAX_OPERATIONS, otherwise=False),
        _try(lambda: widest(update_jaxpr, differ), otherwise=None),
    )


def _try(find: Callable[[], Any], *, otherwise: Any) -> Any:
    """Gives what is found in a jaxpr, or something else where that fails: JAX may change the form of jaxprs."""
    try:
        return find()
    except Exception:
        return otherwise


def _of_row(arguments: Any) -> list[bool]:
    """Tells which leaves of the row, the shared inputs and the limits are the row's."""
    return [place == 0 for place, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]


def _in_common(start_jaxpr: Any, update_jaxpr: Any, train: TrainState, arguments: Any) -> list[bool]:
    """Tells which leaves of a train state depend neither on the row nor on the seed, however many updates there are.

    A leaf differs between trials where it does so at the start, or after an update of leaves that differ.
    """
    of_row = _of_row(arguments)
    # The parameters, and what is measured of them, count as differing in any case.
    always = [
        name not in ("optimizer", "batches") for name, tree in train._asdict().items() for _ in jax.tree.leaves(tree)
    ]
    at_start = differing(start_jaxpr, [True, *of_row])
    differ = [here or by_kind for here, by_kind in zip(at_start, always, strict=True)]
    while True:
        updated = differing(update_jaxpr, [False, *differ, *of_row])
        after = [before or now for before, now in zip(differ, updated, strict=True)]
        if after == differ:
            return [not leaf for leaf in differ]
        differ = after


def as_numbers(state: Any) -> Any:
    """Replaces the keys in a state by the numbers that they are made of, so that the host can hold it."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, state)


def with_keys(numbers: Any, kinds: Sequence[Any]) -> Any:
    """Undoes `as_numbers`; `kinds` are those of the `StateSpec`."""
    leaves, structure = jax.tree.flatten(numbers)
    pairs = zip(leaves, kinds, strict=True)
    return structure.unflatten(jax.random.wrap_key_data(leaf, impl=kind) if kind else leaf for leaf, kind in pairs)


def is_key(leaf: Any) -> bool:
    """Tells whether an array holds keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
