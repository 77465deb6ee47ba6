from . import claims as claims
from . import divergences as divergences
from . import instances as instances
from . import laws as laws
from . import models as models
from . import operators as operators
from . import plotting as plotting
from . import solvers as solvers
from . import wasserstein as wasserstein
from .models import MDP as MDP
from .models import Bandit as Bandit
from .models import FiniteHorizonMDP as FiniteHorizonMDP
from .models import LoggedDataset as LoggedDataset
from .models import MarkovChain as MarkovChain
from .models import MatrixGame as MatrixGame
from .models import OutcomeModel as OutcomeModel
from .models import Policy as Policy
from .models import PreferenceMatrix as PreferenceMatrix
from .models import RewardProcess as RewardProcess
from .solution import Certificate as Certificate
from .solution import Solution as Solution
from .solution import Status as Status
from .solvers import verify as verify

__version__: str
