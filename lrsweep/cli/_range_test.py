"""The command that raises the learning rate within one run: `range-test`."""

from operator import attrgetter

from lrsweep.cli import _options as options
from lrsweep.cli._quiet import with_quiet
from lrsweep.cli._startup import load_jax
from lrsweep.inputs._errors import InputError

# JAX and pandas are imported where they are needed, so that --help does not wait for them.


@with_quiet
def range_test(
    *,
    problem: options.Problem,
    optimizer: options.OneOptimizer = "sgd",
    low: options.Low = 1e-7,
    high: options.High = 10.0,
    steps: options.RangeSteps = 100,
    tried: options.Tried,
    batch_size: options.BatchSize = None,
    out: options.OutCurves = None,
    plot: options.PlotRange = None,
    force: options.Force = False,
    x64: options.X64 = False,
) -> int:
    """Raise the learning rate from update to update, and suggest where to begin."""
    load_jax(x64=x64)
    from lrsweep.cli._axes import read_axes
    from lrsweep.cli._destinations import check_out, check_picture
    from lrsweep.cli._interruption import keeping_what_ended
    from lrsweep.cli._objective import load_objective, print_taken
    from lrsweep.cli._output import draw, writing_result
    from lrsweep.cli._own import split_name
    from lrsweep.cli._screen import print_suggestions
    from lrsweep.cli._trials import check_words, count_seeds, read_optimizer
    from lrsweep.studies import _range_test
    from lrsweep.tables._grid import grid

    inputs = [split_name(problem.objective)[0]]
    path = check_out(out, inputs, force=force)
    picture = None if plot is None else check_picture("--plot", plot, inputs, force=force)
    if "," in optimizer:
        raise InputError(f"--optimizer {optimizer} names several: test one at a time")
    factory = read_optimizer(optimizer, schedule=None, steps=steps)
    objective = load_objective(problem, batch_size=batch_size)
    axes, count = read_axes(settings=tried.settings), count_seeds(tried.seeds, problem.objective)
    check_words({optimizer: factory}, axes)
    print_taken(objective)
    with keeping_what_ended(path, rows="losses", table_of=attrgetter("curves")) as progress:
        tested = _range_test.range_test(
            objective,
            factory,
            low=low,
            high=high,
            steps=steps,
            seeds=None if count is None else range(count),
            trials=grid(**axes) if axes else None,
            static=tried.static or (),
            progress=progress,
        )
    with writing_result(tested.curves, tested.provenance, path, rows="losses") as written:
        print_suggestions(tested.suggestions, low=low, high=high)
    if picture is None:
        return written.code
    from matplotlib.figure import Figure

    from lrsweep import plots

    # A legend above the axes takes up to half an inch.
    figure = Figure(figsize=(plots.FIGURE_SIZE[0], plots.FIGURE_SIZE[1] + 0.5), layout="constrained")
    plots.range_test(tested, figure.subplots())
    return draw(figure, picture) or written.code
