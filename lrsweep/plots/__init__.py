"""Pictures of tables and curves, on matplotlib: each draws what a function of this package has computed."""

from lrsweep.plots.by_rate import outcome as outcome
from lrsweep.plots.by_update import losses as losses
from lrsweep.plots.cells_map import cells as cells
from lrsweep.plots.fitting import fit as fit
from lrsweep.plots.moving import animate_contours as animate_contours
from lrsweep.plots.moving import animate_fit as animate_fit
from lrsweep.plots.moving import animate_slope as animate_slope
from lrsweep.plots.moving import save_animation as save_animation
from lrsweep.plots.slopes import contours as contours
from lrsweep.plots.slopes import slope as slope
from lrsweep.plots.stacks import statuses as statuses
from lrsweep.plots.together import overview as overview
