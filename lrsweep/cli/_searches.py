"""The commands that find the learning rates to try themselves: `critical` and `range-test`."""

from dataclasses import replace
from operator import attrgetter

from lrsweep.cli._bundles import unpack_bundles
from lrsweep.cli._options._study import Critical, RangeTest
from lrsweep.cli._quiet import with_quiet
from lrsweep.cli._startup import load_jax

# JAX and pandas are imported where they are needed, so that --help does not wait for them.


@with_quiet
@unpack_bundles
def critical(*, options: Critical) -> int:
    """Find the least learning rate that diverges, from every start, and say which one to stay below."""
    load_jax(x64=options.x64)
    from lrsweep.cli._asked import read_study
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._output import writing_result
    from lrsweep.cli._screen import print_edges
    from lrsweep.studies._critical import STOPPING, search_critical

    asked = read_study(options, schedule=options.schedule)
    (optimizer,) = asked.optimizers.values()
    with keeping_what_ended(asked.path, rows="starts") as progress:
        table, provenance = search_critical(
            asked.objective,
            optimizer,
            seeds=None,
            trials=asked.trials,
            low=options.low,
            high=options.high,
            width=options.width,
            steps=options.steps,
            stopping=replace(STOPPING, divergence=options.divergence),
            static=options.tried.static or (),
            block_width=None,
            wanted=progress,
        )
    with writing_result(table, provenance, asked.path, rows="starts") as written:
        print_edges(table, options.low, options.high)
    return written.code


@with_quiet
@unpack_bundles
def range_test(*, options: RangeTest) -> int:
    """Raise the learning rate from update to update, and suggest where to begin."""
    load_jax(x64=options.x64)
    from lrsweep.cli._asked import read_study
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._output import blank_figure, draw, writing_result
    from lrsweep.cli._screen import print_suggestions
    from lrsweep.studies import _range_test

    asked = read_study(options, plot=options.plot)
    (optimizer,) = asked.optimizers.values()
    with keeping_what_ended(asked.path, rows="losses", table_of=attrgetter("curves")) as progress:
        tested = _range_test.range_test(
            asked.objective,
            optimizer,
            low=options.low,
            high=options.high,
            steps=options.steps,
            trials=asked.trials,
            divergence=options.divergence,
            static=options.tried.static or (),
            progress=progress,
        )
    with writing_result(tested.curves, tested.provenance, asked.path, rows="losses") as written:
        print_suggestions(tested.suggestions, low=options.low, high=options.high)
    if asked.picture is None:
        return written.code
    from lrsweep import plots

    figure = blank_figure()
    plots.range_test(tested, figure.subplots())
    return draw(figure, asked.picture) or written.code
