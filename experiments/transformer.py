"""A small transformer as it is trained in practice: the peak learning rate, and how long it warms up to it.

The claim: a warm-up hardly changes the best peak learning rate, 0.02, and its loss; it makes larger ones as good.
Within 5% of the least loss are rates up to 0.04 without one, up to 0.07 with one over a tenth of the updates, and up to
0.15 with one over half of them; the rate 0.1 costs 0.37 nats of validation loss without one, and 0.02 with the last.
Training diverges only above 4, a hundred times the best rate or more, whatever the warm-up: where it diverges says
nothing about where it is best. (Three other seeds give 0.04, 0.08 and 0.17; 0.30 and 0.03; and an edge at 4.6.)

It is about 200 updates of AdamW, with gradients clipped to a norm of 1 and a rate that falls as half a cosine, and a
character transformer of two blocks on the descriptions of scikit-learn's data sets; what is compared is the loss at the
end, as a median over seeds. Run `pip install -e '.[experiments]'` once, then `python experiments/transformer.py`: two
minutes on two cores. It exits with 1 where the claim does not hold in its own numbers, and draws them in
`pictures/transformer.png`.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from importlib.resources import files
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pandas as pd
from common import argument_parser, output_folder, write_picture
from jax import lax
from matplotlib.figure import Figure

import lrsweep
from lrsweep.plots import FIGURE_SIZE

Params = Mapping[str, Any]
Data = Mapping[str, Any]

# Of the transformer: characters that it sees, features, heads, blocks.
CONTEXT, FEATURES, HEADS, BLOCKS = 32, 32, 4, 2
BATCH_SIZE, STEPS, SEEDS = 16, 200, range(3)

LEARNING_RATES = lrsweep.log_grid(1e-3, 10, 13)
# One of them, five times the best.
FIVEFOLD = LEARNING_RATES[6]
# None, a tenth, and half of the updates.
WARMUPS = [0.0, 0.1, 0.5]

# A loss is as good as the best where it is at most so many times as large.
AS_GOOD = 1.05

# Every trial to the last update, unless it diverges.
TO_THE_END = lrsweep.Stopping(tolerance=0.0)

# A few at a time, so that what they compute stays in the processor's caches.
BLOCK_WIDTH = 13


def read_text() -> str:
    """Reads the descriptions that scikit-learn ships with its data sets, one after another, in small letters."""
    descriptions = [each for each in files("sklearn.datasets.descr").iterdir() if each.name.endswith(".rst")]
    return "".join(
        each.read_text(encoding="utf-8") for each in sorted(descriptions, key=lambda each: each.name)
    ).lower()


def cut_windows(text: str) -> tuple[np.ndarray, int]:
    """Cuts a text into windows of characters, each with the one that follows it, and numbers the characters.

    Returns:
        ``[window, CONTEXT + 1] int32``, and how many different characters there are.
    """
    characters, tokens = np.unique(list(text), return_inverse=True)
    windows = np.lib.stride_tricks.sliding_window_view(tokens.astype(np.int32), CONTEXT + 1)[::CONTEXT]
    return np.ascontiguousarray(windows), len(characters)


def init(key: jax.Array, *, characters: int) -> Params:
    """Samples weights of variance 1 / fan-in."""
    keys = iter(jax.random.split(key, 3 + 4 * BLOCKS))

    def weights(inputs: int, outputs: int, variance: float | None = None) -> jax.Array:
        return (variance or 1 / inputs) ** 0.5 * jax.random.normal(next(keys), (inputs, outputs))

    def block() -> Params:
        return {
            "queries_keys_values": weights(FEATURES, 3 * FEATURES),
            "attended": weights(FEATURES, FEATURES),
            "hidden": weights(FEATURES, 4 * FEATURES),
            "output": weights(4 * FEATURES, FEATURES),
            "scales": jnp.ones((2, FEATURES)),
        }

    return {
        # Of each half, so that their sum has a variance of 1.
        "characters": weights(characters, FEATURES, 0.5),
        "places": weights(CONTEXT, FEATURES, 0.5),
        "blocks": [block() for _ in range(BLOCKS)],
        "scale": jnp.ones(FEATURES),
        "output": weights(FEATURES, characters),
    }


def normalize(states: jax.Array, scale: jax.Array) -> jax.Array:
    """Divides by the root mean square over the features (Zhang and Sennrich, 2019, arXiv:1910.07467)."""
    return scale * states * lax.rsqrt(jnp.mean(states**2, axis=-1, keepdims=True) + 1e-6)


def attend(block: Params, states: jax.Array) -> jax.Array:
    """Computes causal self-attention with several heads: ``[window, place, feature]`` in and out."""
    windows, places, _ = states.shape
    projected = (states @ block["queries_keys_values"]).reshape(windows, places, 3, HEADS, FEATURES // HEADS)
    queries, keys, values = (projected[:, :, part] for part in range(3))
    attended = jax.nn.dot_product_attention(queries, keys, values, is_causal=True)
    return attended.reshape(windows, places, FEATURES) @ block["attended"]


def scores(params: Params, seen: jax.Array) -> jax.Array:
    """Computes the logits of every next character, by blocks that normalise first (Radford et al., 2019, GPT-2).

    Args:
        params: The parameters.
        seen: ``[window, place] int32``.

    Returns:
        ``[window, place, character]``.
    """
    states = params["characters"][seen] + params["places"][: seen.shape[1]]
    for block in params["blocks"]:
        before_attention, before_hidden = block["scales"]
        states += attend(block, normalize(states, before_attention))
        states += jax.nn.gelu(normalize(states, before_hidden) @ block["hidden"]) @ block["output"]
    return normalize(states, params["scale"]) @ params["output"]


def cross_entropy(params: Params, data: Data) -> jax.Array:
    """Computes the loss of every next character, in nats."""
    logits = scores(params, data["windows"][:, :-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, data["windows"][:, 1:]).mean()


def clipped_adamw(learning_rate: Any) -> optax.GradientTransformation:
    """Makes AdamW of gradients that are cut down to a norm of 1."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(learning_rate))


def make_objective() -> lrsweep.Objective:
    """Makes the transformer on nine tenths of the windows, judged by its loss on the others."""
    windows, characters = cut_windows(read_text())
    held_out = np.arange(len(windows)) % 10 == 9
    return lrsweep.Objective(
        cross_entropy,
        partial(init, characters=characters),
        data={"windows": windows[~held_out]},
        batch_size=BATCH_SIZE,
        metrics={"validation_loss": (cross_entropy, {"windows": windows[held_out]})},
        best_by="validation_loss",
        name="transformer",
    )


def run_trials(learning_rates: Any = LEARNING_RATES, seeds: Iterable[int] = SEEDS, steps: int = STEPS) -> pd.DataFrame:
    """Runs every peak learning rate, warm-up and seed, and gives the result table."""
    adamw = lrsweep.optimizers.scheduled(clipped_adamw, lrsweep.optimizers.warmup_cosine, steps=steps)
    sweep = lrsweep.sweep(
        make_objective(),
        adamw,
        lrsweep.grid(learning_rate=learning_rates, warmup=[int(share * steps) for share in WARMUPS], seed=seeds),
        steps=steps,
        # Often enough in the last quarter to see that a loss stays above its start there.
        evaluate_every=steps // 8,
        stopping=TO_THE_END,
        block_width=BLOCK_WIDTH,
    )
    return sweep.table


def median_losses(table: pd.DataFrame) -> pd.DataFrame:
    """Gives the median validation loss over seeds, by peak rate, one column per warm-up."""
    medians = lrsweep.summarize(table)
    return medians.pivot(index="learning_rate", columns="warmup", values="median_final_validation_loss")


def judge(table: pd.DataFrame) -> pd.DataFrame:
    """Finds the best peak learning rate of every warm-up, the edge, and the sensitivity.

    Returns:
        One row per warm-up: `warmup`; `learning_rate`, the best, and its interval over seeds, `low` and `high`;
        `validation_loss`, its median over seeds there; `edge`, the least rate at which a trial diverges; and of
        `lrsweep.sensitivity`, by the loss over the training data, `sensitivity`, and the range of rates that are as
        good as the best, `from` and `to`, in `decades`.
    """
    rows = []
    for warmup, losses in median_losses(table).items():
        trials = table[table["warmup"] == warmup]
        best = lrsweep.best_learning_rate(trials)
        (ranged,) = lrsweep.sensitivity(trials, factor=AS_GOOD).to_dict("records")
        rows.append(
            {
                "warmup": warmup,
                "learning_rate": best.learning_rate,
                "low": best.low,
                "high": best.high,
                "validation_loss": losses[best.learning_rate],
                "edge": trials.loc[trials["status"] == "diverged", "learning_rate"].min(),
                "sensitivity": ranged["sensitivity"],
                "from": ranged["low"],
                "to": ranged["high"],
                "decades": ranged["decades"],
            }
        )
    return pd.DataFrame(rows)


def failures(table: pd.DataFrame) -> list[str]:
    """Tells what of the claim does not hold."""
    losses, verdicts = median_losses(table), judge(table)
    none, _, longest = sorted(table["warmup"].unique())
    missed = losses.loc[FIVEFOLD] - losses.min()
    claims = {
        "the longer the warm-up, the further up rates are as good": verdicts["to"].is_monotonic_increasing,
        "the longest warm-up doubles the largest good rate": verdicts["to"].iloc[-1] >= 2 * verdicts["to"].iloc[0],
        "and the least is the same within a factor of 2": verdicts["from"].max() <= 2 * verdicts["from"].min(),
        "0.1 costs 0.2 more without a warm-up": missed[none] - missed[longest] >= 0.2,
        "the edge is 50 times the best rate or more": (verdicts["edge"] >= 50 * verdicts["learning_rate"]).all(),
    }
    return [claim for claim, holds in claims.items() if not holds]


def draw(table: pd.DataFrame) -> Figure:
    """Draws the validation loss against the peak learning rate, a line per warm-up, below the worst of them."""
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    axes = figure.subplots()
    lrsweep.plots.outcome(table, "final_validation_loss", by="warmup", ax=axes)
    axes.set(xlabel="peak learning rate", ylabel="validation loss, nats", ylim=(2.4, 4))
    return figure


def main() -> None:
    """Prints the best peak learning rates, draws the losses; exits with 1 where the claim does not hold."""
    given = argument_parser(__doc__).parse_args()
    table = run_trials()
    print(f"""\
The median validation loss of {len(SEEDS)} seeds, in nats, by peak learning rate and updates of warm-up.

{median_losses(table).to_string(float_format="{:.3f}".format)}

The best peak learning rate of every warm-up, with its interval over seeds; the validation loss there; the least rate at
which a trial diverges; the sensitivity; and from which rate to which the training loss is within 5% of the least.

{judge(table).to_string(index=False, float_format="{:.3g}".format)}""")
    with matplotlib.rc_context({"font.size": 7}):
        write_picture(draw(table), output_folder(given.out) / "transformer.png")
    missed = failures(table)
    if missed:
        raise SystemExit(f"The claim does not hold: not that {'; not that '.join(missed)}.")


if __name__ == "__main__":
    main()
