"""The plans of a sweep's groups, and their compiled programs, before the first trial runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from lrsweep.engine._checkpoints import Checkpoints
from lrsweep.engine._compile import CompiledCall, GroupJob, Plan
from lrsweep.engine._layout import Layout
from lrsweep.engine._plan import check_width, choose_plan, fit_plan, one_by_one
from lrsweep.studies._halving import Halving, in_step
from lrsweep.training._partition import Group

# What a group's blocks are to be: their width and layout, each None where that is free.
Wanted = tuple[int | None, Layout | None]


def fit(
    jobs: Sequence[GroupJob],
    records: int,
    wanted: Sequence[Wanted],
    *,
    exact: bool,
    diagnose: bool,
    halving: Halving | None = None,
    checkpoints: Sequence[Checkpoints] | None = None,
) -> list[tuple[Plan, CompiledCall]]:
    """Plans and compiles every group before the first one runs: a group that does not fit then costs no results.

    Args:
        jobs: The groups' jobs.
        records: How many losses of each trial to record.
        wanted: What is wanted of each group's blocks.
        exact: Whether to keep the widths whatever memory they need.
        diagnose: Whether trials are diagnosed.
        halving: When settings are dropped, or None.
        checkpoints: What keeps the trials of each group, or None. Those that were kept are divided as they were then.

    Raises:
        InputError: A group does not fit into memory, or cannot be laid out as is wanted.
    """
    parts = [None for _ in jobs] if checkpoints is None else [each.parts for each in checkpoints]
    plans = [choose_plan(job, *each, kept) for job, each, kept in zip(jobs, wanted, parts, strict=True)]
    if diagnose:
        plans = [one_by_one(plan) for plan in plans]
    if halving is not None:
        plans = [in_step(plan, halving) for plan in plans]
    fitted = [fit_plan(job, plan, records, exact=exact) for job, plan in zip(jobs, plans, strict=True)]
    if exact:
        for plan, compiled in fitted:
            check_width(plan.width, compiled.needed)
    return fitted


def describe_group(group: Group, plan: Plan) -> dict[str, Any]:
    """Describes a group and how it is run, as JSON can hold it."""
    optimizer = {} if group.optimizer is None else {"optimizer": group.optimizer}
    return {
        **optimizer,
        "static": {static.name: static.value for static in group.static},
        "trials": len(group.rows),
        "block_width": plan.width,
        "layout": plan.layout._asdict(),
    }


def wanted_of(group: Group, described: Sequence[Mapping[str, Any]]) -> tuple[int, Layout]:
    """Finds how a group was run among groups that have been described.

    Args:
        group: The group, or a part of it.
        described: What `describe_group` gave of every group of the sweep.
    """
    static = {each.name: (each.type, each.value) for each in group.static}
    for each in described:
        typed = {name: (type(value), value) for name, value in each["static"].items()}
        if each.get("optimizer") == group.optimizer and typed == static:
            return each["block_width"], Layout(**each["layout"])
    raise ValueError(f"there was no group of {group.optimizer} with {static}")
