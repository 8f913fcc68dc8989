"""How fast lrsweep is beside what else one would write: the same sweeps, the same answers, the same device.

In every sweep its peer is `jit(vmap(scan))`, the program that a JAX user would write for the same answer, from the grid
of trials to the finished table, with lrsweep's default settings: on a line, by gradient descent and Adam, a linear
regression and a small tanh network, whose trials mostly end early; and on batches, with 65 and 130 trials beside a
round number, a 64-32-10 network on digits, a 784-256-256-10 one, a convolutional one, and a transformer that reads
characters. On a CPU NumPy, PyTorch and C written for that problem alone (`speed_parts/line.c`) take part as well, and
lrsweep on one device only; and it measures the growth of the memory from 1 to 10 million trials, and the start of
`lrsweep run`. How fast lrsweep is to be stands in `speed_parts/targets.py`; how fast it has been, in *How it runs, and
how fast*, `docs/running.md`.

Run `pip install -e '.[experiments]'` once, then `python experiments/speed.py`: about twelve minutes on two cores. It
runs on JAX's default device or on that of `--device`, with all cores of the processor or so many as `--cores` says;
sweeps have more updates and trials on an accelerator. Every entry has a process of its own, set up as suits it best;
they take turns, and only one works at a time. Each runs once before any is timed, so that everything is compiled, and
its answer is compared with lrsweep's. The simple ones go on to the last step, and put only a part of lrsweep's columns
into their tables. PyTorch and C are left out where they are not installed.

It exits with 1 where an answer differs and, at full size, where a target is missed, and puts what it measured into
`speed.csv` and `speed.png`, and the device and the versions into `speed.json` (`speed-gpu.csv` and so on, on a GPU): in
`pictures` beside the script where it measured all of it at full size and with all cores, and otherwise only in a folder
named by `--out`. `--quick` measures the line alone, a thousandth of its trials.

Where no GPU is at hand, `--launches` compiles what lrsweep and the scan would run on one, an H100, and prints how often
either starts a kernel, once and in every turn of its loops. It needs JAX's plugin for CUDA, `pip install
jax-cuda12-plugin jax-cuda12-pjrt nvidia-cuda-nvcc-cu12`, and measures nothing: products are compiled without trying
which way is the fastest.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import matplotlib
import pandas as pd
from common import argument_parser, output_folder
from speed_parts.harness import NAMES, compare_launches, find_device, measure
from speed_parts.machine import describe_machine, machine_lines
from speed_parts.report import draw, show_table
from speed_parts.setup import Setup, can_choose_cores, cores_here
from speed_parts.workloads import WORKLOADS


def read_arguments() -> argparse.Namespace:
    """Reads the arguments, and refuses what this machine lacks."""
    parser = argument_parser(__doc__, quick="the line alone, a thousandth of its trials, timed once")
    parser.add_argument("--workloads", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--device", choices=["cpu", "gpu", "tpu"], help="JAX's platform; its own choice where left out")
    parser.add_argument(
        "--cores", type=int, default=cores_here(), help="how many of the processor's cores to use; all where left out"
    )
    parser.add_argument("--repeats", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="divide the numbers of trials by this, for a quick look"
    )
    parser.add_argument(
        "--launches", action="store_true", help="count the kernels of programs compiled for a GPU that is not here"
    )
    given = parser.parse_args()
    if not 1 <= given.cores <= cores_here():
        parser.error(f"--cores {given.cores}: it must be from 1 to {cores_here()}")
    if given.cores < cores_here() and not can_choose_cores():
        parser.error(f"--cores {given.cores}: this system lets no process choose its cores")
    if given.quick:
        given.workloads, given.repeats, given.scale = ["line"], 1, 1000.0
    return given


def write(rows: list[dict[str, Any]], machine: dict[str, Any], folder: Path) -> None:
    """Writes what has been measured, and draws it."""
    platform = machine["device"]["platform"]
    path = folder / ("speed" if platform == "cpu" else f"speed-{platform}")
    pd.DataFrame(rows).to_csv(path.with_suffix(".csv"), index=False)
    path.with_suffix(".json").write_text(json.dumps(machine, indent=2) + "\n")
    with matplotlib.rc_context({"font.size": 7}):
        draw(rows, machine_lines(machine, width=90)).savefig(path.with_suffix(".png"), dpi=200)


def main() -> None:
    """Measures, prints the table of ratios and draws it; exits with 1 where a target is missed at full size."""
    given = read_arguments()
    if given.launches:
        for name in [name for name in given.workloads if name in WORKLOADS]:
            compare_launches(name, given.scale)
        return
    device = find_device(Setup(given.device, given.cores))
    # Here nothing is computed: the device is for the entries.
    jax.config.update("jax_platforms", "cpu")
    setup, machine = Setup(device["platform"], given.cores), describe_machine(device, given.cores)
    print(machine_lines(machine, width=120), flush=True)
    whole = given.scale == 1 and set(given.workloads) == set(NAMES) and given.cores == cores_here()
    out = output_folder(given.out) if whole or given.out else None

    rows = []
    for name in given.workloads:
        rows += measure(name, setup, given.scale, given.repeats)
        if out is not None and rows:
            # What has been measured is kept, whatever becomes of the rest.
            write(rows, machine, out)
    print(f"""
Medians of {given.repeats} repetitions that took turns, after one that compiled everything; the spread of a ratio is
over the repetitions. M/s: millions of trial-steps per second, a trial that ended early counted as if it had not.

{machine_lines(machine, width=120)}
""")
    print(show_table(rows))
    if any(row["agrees"] is False for row in rows):
        raise SystemExit("\nAn answer differs.")
    if given.scale != 1:
        print("\nThe targets are for the full numbers of trials.")
    elif any(row["met"] is False for row in rows):
        raise SystemExit("\nA target is missed.")


if __name__ == "__main__":
    main()
