"""The systems that are compared, one adapter each, and the worker process that runs one of them on one instance.

An adapter builds its system's model from the arrays and solves it to a tolerance; the time of ``solve`` alone counts.
What a tolerance means differs between systems, so that each brings a ladder of them, loosest first: the benchmark takes
the first whose *checked* error is small enough.  Systems run at their defaults have a ladder of one.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.instances import INSTANCES, Arrays

__all__ = ["OURS", "SYSTEMS", "System", "work"]

_LADDER = tuple(10.0**-k for k in range(3, 11))


@dataclass(frozen=True)
class System:
    """One system.

    Attributes
    ----------
    module : str
        What must be importable.
    build : callable
        From :class:`Arrays` to the system's model.
    solve : callable
        ``solve(model, tolerance) -> values``.
    ladder : tuple of float
        Tolerances to try.
    most : int
        Largest number of entries that it is tried on (nested lists and text files take long to build).
    fresh : bool
        Whether a model remembers its solution and starts the next solve from it: it is then built anew each time.
    """

    module: str
    build: Callable[[Arrays], Any]
    solve: Callable[[Any, float], Any]
    ladder: tuple[float, ...]
    most: int = 10**9
    fresh: bool = False

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


def _build_ours(arrays: Arrays) -> Any:
    from mdplab.models import MDP

    return MDP(arrays.transition, arrays.reward, arrays.discount)


def _solve_ours(model: Any, tol: float) -> Any:
    from mdplab.solvers import solve

    return solve(model, tol).value


def _build_quantecon(arrays: Arrays) -> Any:
    from quantecon.markov import DiscreteDP
    from scipy import sparse

    states, actions = arrays.reward.shape
    if not arrays.is_sparse:
        return DiscreteDP(arrays.reward, arrays.transition, arrays.discount)
    return DiscreteDP(
        arrays.reward.ravel(),
        sparse.csr_matrix(arrays.transition),
        arrays.discount,
        np.repeat(np.arange(states), actions),
        np.tile(np.arange(actions), states),
    )


def _quantecon(method: str, **options: Any) -> Callable[[Any, float], Any]:
    def solve(model: Any, tol: float) -> Any:
        return model.solve(method=method, epsilon=2 * tol, **options).v

    return solve


def _build_mdpsolver(arrays: Arrays) -> Any:
    import mdpsolver

    states, actions = arrays.reward.shape
    model = mdpsolver.model()
    options: dict[str, Any] = {"discount": arrays.discount, "rewards": arrays.reward.tolist()}
    if arrays.is_sparse:
        kernel = arrays.transition
        ends = kernel.indptr.tolist()
        for name, part in (("tranMatProbs", kernel.data), ("tranMatColumns", kernel.indices)):
            flat = part.tolist()
            options[name] = [
                [flat[ends[i] : ends[i + 1]] for i in range(s * actions, (s + 1) * actions)]
                for s in range(states)
            ]
    else:
        options["tranMatWithZeros"] = arrays.transition.tolist()
    model.mdp(**options)
    return model


def _solve_mdpsolver(model: Any, tol: float) -> Any:
    model.solve(algorithm="mpi", tolerance=tol, parallel=False)
    return model.getValueVector


def _build_storm(arrays: Arrays) -> Any:
    """The discount as a chance of 1 - discount to end in an extra state; total reward until then."""
    import stormpy

    states, actions = arrays.reward.shape
    if arrays.is_sparse:
        from scipy import sparse

        kernel = arrays.transition
    else:
        from scipy import sparse

        kernel = sparse.csr_array(arrays.transition.reshape(-1, states))
    data, columns, ends = (arrays.discount * kernel.data).tolist(), kernel.indices.tolist(), kernel.indptr
    reward = arrays.reward.ravel()
    low = min(
        0.0, float(reward.min())
    )  # rewards must not be negative: a constant is added, and taken off the values
    rest = f"\t\t{states} : {1 - arrays.discount!r}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.drn"
        with path.open("w") as file:
            file.write("@type: MDP\n@value_type: double\n@parameters\n\n@reward_models\nr\n")
            file.write(f"@nr_states\n{states + 1}\n@nr_choices\n{states * actions + 1}\n@model\n")
            for s in range(states):
                file.write(f"state {s}{' init' if s == 0 else ''}\n")
                for a in range(actions):
                    i = s * actions + a
                    file.write(f"\taction {a} [{float(reward[i] - low)!r}]\n")
                    file.writelines(f"\t\t{columns[k]} : {data[k]!r}\n" for k in range(ends[i], ends[i + 1]))
                    file.write(rest)
            file.write(f"state {states} done\n\taction 0 [0]\n\t\t{states} : 1\n")
        model = stormpy.build_model_from_drn(str(path))
    formula = stormpy.parse_properties('R{"r"}max=? [F "done"]')[0]
    return model, formula, low / (1 - arrays.discount)


def _solve_storm(model: Any, tol: float) -> Any:
    import stormpy

    sparse_model, formula, shift = model
    environment = stormpy.Environment()
    settings = environment.solver().min_max()
    setter = getattr(settings, "set_precision", None)
    if setter is not None:
        setter(tol)
    else:
        settings.precision = stormpy.Rational(tol)
    result = stormpy.model_checking(sparse_model, formula, environment=environment)
    return lambda: np.array(result.get_value_vector(), dtype=float)[:-1] + shift


def _build_toolbox(arrays: Arrays) -> Any:
    states, actions = arrays.reward.shape
    if not arrays.is_sparse:
        return np.ascontiguousarray(arrays.transition.transpose(1, 0, 2)), arrays.reward, arrays.discount
    from scipy import sparse

    kernels = tuple(
        sparse.csr_matrix(arrays.transition[np.arange(states) * actions + a]) for a in range(actions)
    )
    return kernels, arrays.reward, arrays.discount


def _toolbox(name: str, **options: Any) -> Callable[[Any, float], Any]:
    def solve(model: Any, tol: float) -> Any:
        from mdptoolbox import mdp

        run = getattr(mdp, name)(*model, **options)
        run.run()
        return run.V

    return solve


OURS = "mdplab solve"

SYSTEMS: dict[str, System] = {
    OURS: System("mdplab", _build_ours, _solve_ours, (1e-6,)),
    "quantecon mpi": System(
        "quantecon", _build_quantecon, _quantecon("mpi", max_iter=10**6), (1e-6, 1e-7, 1e-8)
    ),
    "quantecon pi": System("quantecon", _build_quantecon, _quantecon("pi", max_iter=10**6), (1e-6,)),
    "quantecon vi, as it comes": System("quantecon", _build_quantecon, _quantecon("vi"), (1e-6,)),
    "mdpsolver mpi": System("mdpsolver", _build_mdpsolver, _solve_mdpsolver, _LADDER, 3 * 10**6, True),
    "storm": System("stormpy", _build_storm, _solve_storm, (1e-6, 1e-8, 1e-10), 3 * 10**6),
    "pymdptoolbox pi": System("mdptoolbox", _build_toolbox, _toolbox("PolicyIteration"), (1e-6,), 10**6),
    "pymdptoolbox vi, as it comes": System(
        "mdptoolbox", _build_toolbox, _toolbox("ValueIteration"), (1e-6,), 10**6
    ),
}


def work(connection: Any, system: str, instance: str) -> None:
    """Process: build the model, then answer tolerances by ``(seconds, values)``, until None."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some systems print
    warnings.simplefilter("ignore")
    try:
        arrays, chosen = INSTANCES[instance](), SYSTEMS[system]
        begin = time.perf_counter()
        model = chosen.build(arrays)
        connection.send(("built", time.perf_counter() - begin))
        solved = False
        while (tol := connection.recv()) is not None:
            if chosen.fresh and solved:
                model = chosen.build(arrays)
            solved = True
            begin = time.perf_counter()
            values = chosen.solve(model, tol)
            seconds = time.perf_counter() - begin
            values = values() if callable(values) else values  # lists are taken out of the timed part
            connection.send(("solved", seconds, np.asarray(values, dtype=float)))
    except Exception:
        connection.send(("failed", traceback.format_exc(limit=2).strip().splitlines()[-1]))
