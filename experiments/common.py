"""What the studies share: their arguments, small PNG files, one colour in three shades, and the data they train on."""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

# For what stands in an order, from pale to dark: as `lrsweep.plots` has it, a hue that no status has.
BLUES = "#9CCFEB", "#0072B2", "#004060"


def argument_parser(doc: str | None, *, quick: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of a study's arguments: `--out`, and `--quick` where it has a small run.

    Args:
        doc: The study's docstring; the help shows its first line.
        quick: What the small run does, for the help; None where there is none.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if quick is not None:
        parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write; `pictures` beside the script where left out"
    )
    return parser


def output_folder(out: Path | None) -> Path:
    """Gives the folder that `--out` names, or else `pictures` beside the studies, and makes it where there is none."""
    folder = Path(__file__).parent / "pictures" if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_picture(figure: Figure, path: Path, *, colours: int = 64, dpi: int = 200) -> None:
    """Writes a figure as a small PNG, of no more than so many colours."""
    whole = io.BytesIO()
    figure.savefig(whole, dpi=dpi)
    Image.open(whole).convert("RGB").quantize(colours).save(path, optimize=True)


# Scikit-learn is imported within, so that a study which does not read its data runs without it.


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Reads scikit-learn's 1,797 handwritten digits.

    Returns:
        Their pixels from 0 to 1, ``[digit, 64]`` float32, and which digits they are, ``[digit]`` int32.
    """
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target.astype(np.int32)


def standardized_diabetes() -> tuple[np.ndarray, np.ndarray]:
    """Reads scikit-learn's diabetes data, every column brought to mean 0 and variance 1.

    Returns:
        The features, ``[patient, 10]`` float64, and the target, ``[patient]`` float64.
    """
    from sklearn.datasets import load_diabetes

    data: Any = load_diabetes(scaled=False)
    columns = np.column_stack([data.data, data.target])
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return columns[:, :-1], columns[:, -1]
