"""What is minimised: the class `Objective`, ready-made objectives, and regressions on a CSV file."""

from lrsweep.problems._ready_made import line as line
from lrsweep.problems._ready_made import linear_regression as linear_regression
from lrsweep.problems._ready_made import quadratic as quadratic
from lrsweep.problems._ready_made import rosenbrock as rosenbrock
from lrsweep.problems._ready_made import valleys as valleys
