"""Convex programs: linear ones by HiGHS, smooth ones by damped Newton, conic ones by Clarabel.

``linear`` and ``smooth`` wrap a solver each and add what it does not give: textbook multipliers, statuses and error
bounds that do not rest on the solver's own word.  ``occupancy`` is the one door to cvxpy, which is imported inside
its functions.
"""

from mdplab.convex.conic_constrained import conic_constrained_program
from mdplab.convex.conic_region import conic_divergence_centre, conic_region_program
from mdplab.convex.conjugate_dual import ConjugateDual
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.linear import linear_program
from mdplab.convex.occupancy import conic_entropy_occupancy_program, conic_occupancy_program
from mdplab.convex.pair_loss import PairLoss
from mdplab.convex.program import EntropyOccupancy, LinearProgram, ProgramSolution, RegularisedOccupancy
from mdplab.convex.region import RegionProgram, RegionSolution
from mdplab.convex.smooth import SmoothMinimum, minimise_smooth

__all__ = [
    "ConjugateDual",
    "EntropyOccupancy",
    "FlowPolytope",
    "LinearProgram",
    "PairLoss",
    "ProgramSolution",
    "RegionProgram",
    "RegionSolution",
    "RegularisedOccupancy",
    "SmoothMinimum",
    "conic_constrained_program",
    "conic_divergence_centre",
    "conic_entropy_occupancy_program",
    "conic_occupancy_program",
    "conic_region_program",
    "linear_program",
    "minimise_smooth",
]
