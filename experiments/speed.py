"""How fast lrsweep is beside what else one would write: the same sweeps, the same answers, the same cores.

The claim, on two cores and from the grid of trials to the finished table: on a million trials of the line lrsweep is
30 times as fast as `jit(vmap(scan))`, and 5 times as fast as a jitted step called from Python on a small tanh
network; ten times the trials take their table's memory and less than a fifth more; and `lrsweep run` takes at most
twice as long as importing JAX, optax and pandas. The other targets are missed by what JAX 0.12 gives: on the line it
is 22 times as fast as NumPy, as the machine's memory goes (of 30), and a fifth to a quarter as fast as C written for
that problem alone (`speed_parts/line.c`; of 0.4); with Adam 10 to 13 times as fast as `jit(vmap(scan))` (of 15), and
on a linear regression 2.1 times (of 2.5), since XLA now makes that program itself twice as fast; the digits train 2.3
times as fast as one jitted trial after another (of 2.5), and 33 times as fast as PyTorch's loop (of 60).

Run `pip install -e '.[experiments]'` once, then `python experiments/speed.py`: about six minutes on two cores. Every
entry has a process of its own, set up as suits it best; they take turns, and only one works at a time. Each runs once
before any is timed, so that everything is compiled, and its answer is compared with lrsweep's. The simple ones go on
to the last step, and put only a part of lrsweep's columns into their tables. PyTorch and C are left out where they are
not installed. It exits with 1 where an answer differs and, at full size, where a target is missed, and puts what it
measured into `speed.csv` and `speed.png`, and the machine and the versions into `speed.json`: in `pictures` beside the
script where it measured all of it at full size, and otherwise only in a folder named by `--out`. `--quick` measures
the line alone, a thousandth of its trials.
"""

import json

import matplotlib
import pandas as pd
from common import argument_parser, output_folder
from speed_parts.harness import NAMES, measure
from speed_parts.machine import describe_machine, machine_lines
from speed_parts.report import draw, show_table


def main() -> None:
    """Measures, prints the table of ratios and draws it; exits with 1 where a target is missed at full size."""
    parser = argument_parser(__doc__, quick="the line alone, a thousandth of its trials, timed once")
    parser.add_argument("--workloads", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--repeats", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="divide the numbers of trials by this, for a quick look"
    )
    given = parser.parse_args()
    if given.quick:
        given.workloads, given.repeats, given.scale = ["line"], 1, 1000.0
    whole = given.scale == 1 and set(given.workloads) == set(NAMES)
    out = output_folder(given.out) if whole or given.out else None

    machine, rows = describe_machine(), []
    for name in given.workloads:
        rows += measure(name, given.scale, given.repeats)
        if out is not None:
            # What has been measured is kept, whatever becomes of the rest.
            pd.DataFrame(rows).to_csv(out / "speed.csv", index=False)
            (out / "speed.json").write_text(json.dumps(machine, indent=2) + "\n")
            with matplotlib.rc_context({"font.size": 7}):
                draw(rows, machine_lines(machine, width=90)).savefig(out / "speed.png", dpi=200)
    print(f"""
Medians of {given.repeats} repetitions that took turns, after one that compiled everything; the spread of a ratio is
over the repetitions. M/s: millions of trial-steps per second, a trial that ended early counted as if it had not.

{machine_lines(machine, width=120)}
""")
    print(show_table(rows))
    if given.scale != 1:
        print("\nThe targets are for the full numbers of trials.")
    elif any(row["met"] is False for row in rows):
        raise SystemExit("\nA target is missed.")


if __name__ == "__main__":
    main()
