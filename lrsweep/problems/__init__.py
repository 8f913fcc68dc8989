"""What is minimised: the class `Objective`, ready-made objectives, and models of a table of data."""

from typing import TYPE_CHECKING

from lrsweep.inputs._public import public_only
from lrsweep.problems._from_table import from_table
from lrsweep.problems._ready_made import line, linear_regression, quadratic, rosenbrock, valleys
from lrsweep.problems._softmax import softmax_regression

__all__ = [
    "from_table",
    "line",
    "linear_regression",
    "quadratic",
    "rosenbrock",
    "softmax_regression",
    "valleys",
]

# A type checker that saw this would take any name to be there.
if not TYPE_CHECKING:
    __dir__, __getattr__ = public_only(__name__, __all__)
