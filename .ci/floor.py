"""Prints the lowest versions that pyproject.toml declares, as pip's constraints."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
for text in (*project["dependencies"], *extras["test"]):
    name, lowest = re.match(r"([\w-]+)[^>]*>=([\d.]+)", text).groups()
    print(f"{name}=={lowest}")
