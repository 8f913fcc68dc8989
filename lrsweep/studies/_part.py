"""One shard of a sweep, computed: in this process or another, at any time, with the same bits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import listed
from lrsweep.store._checkpoints import ShardCheckpoints
from lrsweep.store._manifest import Manifest
from lrsweep.studies._asked import rows_between
from lrsweep.studies._progress import Progress
from lrsweep.studies._result import Sweep
from lrsweep.tables._lazy import LazyTrials

# Runs a part of a sweep's trials as the groups of the whole are described: `run_sweep` with all but its trials.
Run = Callable[..., Sweep]


def compute_shard(
    run: Run,
    manifest: Manifest,
    trials: pd.DataFrame | LazyTrials,
    shard: int,
    checkpoints: ShardCheckpoints,
    wanted: bool | Callable[[Progress], object] = False,
) -> Sweep:
    """Computes one shard of a sweep: in this process or another, at any time, with the same bits.

    Args:
        run: Runs a part of the sweep's trials.
        manifest: The manifest of the sweep's store.
        trials: The trials of the whole sweep.
        shard: The shard's number.
        checkpoints: What keeps its trials while they run.
        wanted: Who is told of its progress.

    Returns:
        The sweep of its rows.

    Raises:
        InputError: There was too little memory for blocks as wide as those of the other shards.
    """
    first, end = manifest.rows_of(shard)
    groups: Sequence[Mapping[str, Any]] = manifest.provenance["groups"]
    computed = run(rows_between(trials, first, end), groups=groups, checkpoints=checkpoints, progress=wanted)
    planned = {group["block_width"] for group in groups}
    for group in computed.provenance["groups"]:
        if group["block_width"] not in planned:
            raise InputError(
                f"shard {shard} found memory for blocks of {group['block_width']} trials only, and the others have "
                f"{listed(sorted(planned))}: free some memory and call again, or begin another store with "
                f"block_width={group['block_width']}"
            )
    return computed
