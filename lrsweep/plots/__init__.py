"""Pictures of tables and curves, on matplotlib: each draws what a function of this package has computed."""

from lrsweep.plots.by_rate import outcome as outcome
from lrsweep.plots.by_update import losses as losses
from lrsweep.plots.cells_map import cells as cells
from lrsweep.plots.stacks import statuses as statuses
from lrsweep.plots.together import overview as overview
