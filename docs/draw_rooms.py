"""Draws the rooms of the package and their imports, as `docs/rooms.svg`: every arrow points down.

Run `pip install -e '.[lint]'` once, then `python docs/draw_rooms.py`. The order from bottom to top is that of the
linter's contract in `pyproject.toml`; an arrow goes from a room to each room that its modules import, the thicker the
more imports there are.
"""

import ast
import tomllib
from pathlib import Path

import grimp
import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

ROOT = Path(__file__).parent.parent
PICTURE = Path(__file__).with_name("rooms.svg")

BLUE, RED = "#4063d8", "#cb3c33"

# Of a room, in the picture's units.
WIDTH = 1.6


def rooms() -> list[str]:
    """Lists the rooms from top to bottom, as the linter's contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = [contract for contract in settings["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"]
    return layers[0]["layers"]


def purpose_of(room: str) -> str:
    """Gives the first sentence of a room's docstring."""
    text = ast.get_docstring(ast.parse((ROOT / "lrsweep" / room / "__init__.py").read_text())) or ""
    return text.partition(". ")[0].partition("\n")[0].rstrip(".")


def imports() -> dict[tuple[str, str], int]:
    """Counts the imports of every room from every other, by the pair of them."""
    graph = grimp.build_graph("lrsweep", exclude_type_checking_imports=True)
    names, counts = set(rooms()), {}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            source, target = ([*name.split("."), ""][1] for name in (module, imported))
            if source != target and {source, target} <= names:
                counts[source, target] = counts.get((source, target), 0) + 1
    return counts


def draw() -> Figure:
    """Draws the rooms one below the other, what each is for, and an arrow for each import; red where it points up."""
    height = {room: place for place, room in enumerate(reversed(rooms()), start=1)}
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    ax = figure.subplots()
    for room, y in height.items():
        ax.add_patch(Rectangle((-WIDTH / 2, y - 0.25), WIDTH, 0.5, facecolor="white", edgecolor=BLUE))
        ax.text(0, y, room, ha="center", va="center")
        ax.text(WIDTH / 2 + 0.2, y, purpose_of(room), va="center", fontsize=8, color="#444444")
    for (source, target), count in imports().items():
        top, bottom = height[source], height[target]
        is_next = top - bottom == 1
        ends = ((0, top - 0.25), (0, bottom + 0.25)) if is_next else ((-WIDTH / 2, top), (-WIDTH / 2, bottom))
        arrow = FancyArrowPatch(
            *ends,
            connectionstyle=f"arc3,rad={0 if is_next else 0.5}",
            arrowstyle="-|>",
            mutation_scale=9,
            shrinkA=0,
            shrinkB=0,
            linewidth=0.5 + 0.03 * count,
            color=BLUE if top > bottom else RED,
            alpha=0.55,
        )
        ax.add_patch(arrow)
    ax.set_xlim(-4.4, 9)
    ax.set_ylim(0.4, len(height) + 0.6)
    ax.axis("off")
    return figure


def main() -> None:
    """Draws the picture, and names the imports that point up."""
    # The same picture is the same file, with its text as text.
    matplotlib.rcParams |= {"svg.hashsalt": "rooms", "svg.fonttype": "none"}
    draw().savefig(PICTURE, metadata={"Date": None})
    order = rooms()
    upward = [f"{source} imports {target}" for source, target in imports() if order.index(source) > order.index(target)]
    print(f"Drew {PICTURE.name}: {', '.join(upward) or 'every arrow points down'}.")


if __name__ == "__main__":
    main()
