"""Brings to the site, while it is built, what lies elsewhere in the repository: the gallery, the notebook, and more."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parent.parent
STUDIES = ROOT / "experiments"

# Where in the site each file comes to lie: links between them hold in both places.
PLACES = {
    ROOT / "CONTRIBUTING.md": "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md": "CHANGELOG.md",
    **{path: f"gallery/pictures/{path.name}" for path in sorted((STUDIES / "pictures").iterdir())},
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what is brought to what lies in docs/."""
    for path, place in PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    for place, content in (_gallery() | _notebook()).items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Marks the tables among what commands print: where they have no room they are scrolled, and sentences broken."""
    return re.sub(r"[^>\n]+\n─+(\n.+)*", r'<span class="printed">\g<0></span>', html)


def _gallery() -> dict[str, str]:
    """Gives the studies' README as the gallery, which links to the notebook's page rather than to its file."""
    return {"gallery/index.md": (STUDIES / "README.md").read_text().replace("(walkthrough.ipynb)", "(walkthrough.md)")}


def _notebook() -> dict[str, Any]:
    """Gives the notebook as a page, with the output it was committed with, and its pictures."""
    page, resources = MarkdownExporter().from_filename(str(STUDIES / "walkthrough.ipynb"))
    # Tables look as all others on the site do.
    page = re.sub(r"<style scoped>.*?</style>", "", page, flags=re.DOTALL)
    page = re.sub(
        r'<table [^>]*class="dataframe">(.*?)</table>',
        r'<div class="data"><table>\1</table></div>',
        page,
        flags=re.DOTALL,
    )
    return {"gallery/walkthrough.md": page} | {f"gallery/{name}": data for name, data in resources["outputs"].items()}
