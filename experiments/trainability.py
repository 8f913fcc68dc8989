"""The boundary between learning rates that train a network and those that do not is rough, however closely one looks.

The claim, for seven zooms, each eight times as close as the one before, so that the last one is two million times as
close as the whole map: the boundary's box-counting dimension is above 1.3 in every one of them, and its median lies
within the 1.17 to 1.98 of the paper's six conditions. They were 1.53 to 1.65, with a median of 1.58; the paper has 1.66
for full batches and tanh. Of 50 trials picked at random from all of each frame, 400, a loop written in NumPy says of
every one what the map says, trainable or not; and lrsweep in its plain layout is `jit(vmap(scan))` without it to the
very update.

The study is Sohl-Dickstein's, 2024, "The boundary of neural network trainability is fractal" (arXiv:2402.06184): a
tanh network of two layers without biases, a learning rate for either layer, all of the examples at every update, as
many random examples as parameters, and one start for all trials, all of them standard normal. Scales are those of its
mean-field parametrisation: v . tanh(sqrt(2 / n) W x) / n, and 500 updates are a number that it uses. Three things
differ. The width n is 8, as in the notebook published with the paper, where the paper has 16: a trial then takes about
a fifteenth of the work. Data and start are other draws. And a trial is *trainable* here where it goes on to the last
update, its loss finite and never above the first by more than a million times that; there it is where the mean of the
last 20 losses is below the first. So one that ends somewhat above its start is trainable here, though lrsweep's own
rule may call it diverged.

A frame is a map of 512 x 512 trials. What the next one shows is not picked for its looks: it is the window about a
boundary cell that holds as much of the boundary as such windows typically do (see `zoom`). Another rule gives other
dimensions, and that of the window that holds the most of it higher ones. The dimension is a slope over boxes from 2
cells to an eighth of the frame; the paper's notebook takes the median of the slopes between neighbouring sizes, over
all of its frames.

Near the boundary rounding grows until it decides. Of 50 cells anywhere and 50 at the boundary of each frame, 800,
NumPy's loop ended the other way in 2, both at the boundary of the whole map, where lrsweep itself did in 3 once the
learning rates were larger by one unit in the last place. Of the cells at the boundary about four in ten diverge at
another update, mostly by no more than ten, and as many do so when nudged. From the sixth zoom on neighbouring
learning rates are no longer different numbers in 32 bits; everything is computed in 64.

Run `pip install -e '.[experiments]'` once, then `python experiments/trainability.py`: some twenty minutes on two cores,
by the processor time of its frames; it took 53 minutes beside much other work. With `--quick` it makes two small frames
in some seconds, and judges of the claim only what NumPy says. It exits with 1 where the claim does not hold in its own
numbers. Its pictures go to `pictures` beside it, or to the folder given as `--out`.
"""

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd
from common import argument_parser, output_folder, write_picture
from trainability_parts.boundary import box_dimension, mark_boundary, zoom
from trainability_parts.loops import agreement, compare
from trainability_parts.pictures import draw_map, draw_zoom
from trainability_parts.trials import STEPS, WHOLE, Frame, network, sweep_frame

import lrsweep

# The paper's table of dimensions: that of full batches and tanh, and the least and the most of its six conditions.
PAPER, PAPER_LEAST, PAPER_MOST = 1.66, 1.17, 1.98


def dive(objective: lrsweep.Objective, sizes: Sequence[int], steps: int = STEPS) -> list[Frame]:
    """Makes the whole map and one zoom after another.

    Args:
        objective: What is trained.
        sizes: How many cells each frame has on a side.
        steps: How many updates a trial makes.
    """
    frames: list[Frame] = []
    for cells in sizes:
        window = zoom(frames[-1].window, frames[-1].trainable) if frames else WHOLE
        (first, *_), (second, *_) = window.learning_rates(cells)
        print(
            f"frame {len(frames)} of 0 to {len(sizes) - 1}: {cells} x {cells} trials over {window.decades:.3g} decades "
            f"from learning rates {first:.10g} and {second:.10g}",
            flush=True,
        )
        frames.append(sweep_frame(objective, window, cells, steps))
    return frames


def describe(frames: Sequence[Frame]) -> pd.DataFrame:
    """Describes every frame in a row.

    Returns:
        `cells` on a side; the `decades` it spans; the shares that are `trainable` and that lie on the `boundary`; the
        `dimension`; and `apart_in_32`, how many of the learning rates on an axis are different numbers in 32 bits.
    """
    rows = []
    for frame in frames:
        on_it, cells = mark_boundary(frame.trainable), len(frame.trainable)
        narrow = [axis.astype(np.float32) for axis in frame.window.learning_rates(cells)]
        rows.append(
            {
                "cells": cells,
                "decades": frame.window.decades,
                "trainable": frame.trainable.mean(),
                "boundary": on_it.mean(),
                "dimension": box_dimension(on_it),
                "apart_in_32": min(len(np.unique(axis)) for axis in narrow),
            }
        )
    return pd.DataFrame(rows)


def failures(found: pd.DataFrame, agreed: pd.DataFrame, *, quick: bool) -> list[str]:
    """Lists the parts of the claim that do not hold in the figures of `describe` and `agreement`."""
    zooms, anywhere = found["dimension"][1:], agreed[agreed["kind"] == "anywhere"]
    parts: dict[str, Any] = {
        "NumPy's loop says of every cell picked anywhere how it ends": (
            anywhere["numpy_status"] == anywhere["cells"]
        ).all()
    }
    if not quick:
        parts["lrsweep in the plain layout is jit(vmap(scan)) in every update"] = (
            agreed["jax_update"] == agreed["cells"]
        ).all()
        parts["the median dimension is within the paper's range"] = PAPER_LEAST <= zooms.median() <= PAPER_MOST
        parts["every zoom's dimension is above 1.3"] = (zooms > 1.3).all()
    return [part for part, holds in parts.items() if not holds]


def main() -> None:
    """Prints the dimensions and how far plain loops agree; exits with 1 where the claim does not hold."""
    parser = argument_parser(__doc__, quick="small frames, in some seconds")
    given = parser.parse_args()
    if given.out is not None and not given.out.is_dir():
        parser.error(f"there is no folder {str(given.out)!r} to write pictures into")
    # Before JAX computes anything: every core a device.
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    jax.config.update("jax_enable_x64", True)
    sizes, count, steps = ([64, 32], 10, 100) if given.quick else ([512] * 8, 50, STEPS)

    objective = network()
    frames = dive(objective, sizes, steps)
    found = describe(frames)
    print("\nThe boundary, frame by frame: the whole map, and every zoom an eighth of the one before.\n")
    print(found.to_string(float_format="{:.4g}".format))
    median = found["dimension"][1:].median()
    print(
        f"\nThe median dimension of the zooms is {median:.2f}; the paper's is {PAPER}, "
        f"and {PAPER_LEAST} to {PAPER_MOST} over its six conditions."
    )
    agreed = agreement(compare(objective, frames, count, steps))
    print(
        "\nHow many of some random cells end as in the map by NumPy's loop, and nudged by rounding; and JAX's loop.\n"
    )
    print(agreed.to_string(index=False))

    if given.out or not given.quick:
        out = output_folder(given.out)
        for path, figure, dpi in (
            (out / "trainability.png", draw_map(frames[0], frames[1].window), 200),
            (out / "trainability-zoom.png", draw_zoom(frames, found), 160),
        ):
            write_picture(figure, path, dpi=dpi)
            print(f"wrote {path}")
    failed = failures(found, agreed, quick=given.quick)
    for part in failed:
        print(f"It does not hold that {part}.")
    if failed:
        raise SystemExit(1)
    print("The claim holds." if not given.quick else "NumPy agrees.")


if __name__ == "__main__":
    main()
