"""What is minimised: the class `Objective`, ready-made objectives, and models of a table of data."""

from lrsweep.problems._from_table import from_table as from_table
from lrsweep.problems._ready_made import line as line
from lrsweep.problems._ready_made import linear_regression as linear_regression
from lrsweep.problems._ready_made import quadratic as quadratic
from lrsweep.problems._ready_made import rosenbrock as rosenbrock
from lrsweep.problems._ready_made import valleys as valleys
from lrsweep.problems._softmax import softmax_regression as softmax_regression
