"""Latents of two-stage outcome models in exact numbers: rational laws, divergences as balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional.latent_laws import WHOLE, LatentLaws, conditioned, over, run, trajectory_law

if TYPE_CHECKING:
    from proofs_check.distributional.latent_tasks import LatentTask


def rationals(task: LatentTask) -> LatentLaws:
    """The data of a task, rows normalised exactly."""
    data = task.laws
    laws = {
        name: mdplab.exact.laws(getattr(data, name)) for name in ("law", "prior", "first", "second", "noise")
    }
    logged = laws["law"] if task.seen is None else mdplab.exact.laws(task.seen)
    return data._replace(**laws, logged=logged, weight=mdplab.exact.rational(data.weight))


class _Solved:
    """Laws given each possible latent, and those of the conditioned policies in the environment."""

    def __init__(self, task: LatentTask) -> None:
        data = rationals(task)
        self.joint = trajectory_law(data)
        mass = self.joint.sum(axis=WHOLE)
        self.possible = np.flatnonzero(mass != 0)
        self.mass = mass[self.possible]
        self.given = self.joint[..., self.possible] / self.mass
        self.ran = run(data, conditioned(data))[..., self.possible]
        self.returns = mdplab.exact.rational(task.returns)[..., np.newaxis]


def _information(mass: Array, ratio: Array) -> Any:
    """``sum mass log ratio`` over the entries with mass."""
    charged = mass != 0
    return (mass[charged] * mdplab.exact.log(ratio[charged])).sum()


def divergences_of_laws(task: LatentTask) -> Array:
    """Divergence of the law given z from that of the conditioned policy, trajectory by trajectory; the average."""
    found = _Solved(task)
    ratio = over(found.given, found.ran)
    each = [_information(found.given[..., z], ratio[..., z]) for z in range(len(found.mass))]
    return np.array([*each, (found.mass * each).sum()], dtype=object)


def divergences_by_stage(task: LatentTask) -> Array:
    """Information of the outcomes on the latent, stage by stage, from the joint law in the data."""
    found = _Solved(task)
    each: Any = np.zeros(len(found.mass), dtype=int)
    for table in (found.joint.sum(axis=(2, 3)), found.joint):
        told = over(table, table.sum(axis=-2, keepdims=True))
        whole = table.sum(axis=-1, keepdims=True)
        blind = over(whole, whole.sum(axis=-2, keepdims=True))
        ratio = over(told, blind)[..., found.possible]
        masses = table[..., found.possible] / found.mass
        each = each + np.array(
            [_information(masses[..., z], ratio[..., z]) for z in range(len(found.mass))], dtype=object
        )
    return np.array([*each, (found.mass * each).sum()], dtype=object)


def laws_asked_for(task: LatentTask) -> Array:
    """``p(trajectory | z)`` and ``E[R | z]``."""
    found = _Solved(task)
    return np.append(found.given.ravel(), (found.given * found.returns).sum(axis=WHOLE))


def laws_obtained(task: LatentTask) -> Array:
    """Law and value of the conditioned policies in the environment."""
    found = _Solved(task)
    return np.append(found.ran.ravel(), (found.ran * found.returns).sum(axis=WHOLE))


def gaps(task: LatentTask) -> Array:
    """``|V(pi_z) - E[R | z]|``."""
    found = _Solved(task)
    return np.asarray(np.abs(((found.ran - found.given) * found.returns).sum(axis=WHOLE)))


def bounds(task: LatentTask) -> Array:
    """``(R_max - R_min) sqrt(KL / 2)``, the divergence from the laws of the trajectories."""
    divergence = divergences_of_laws(task)[:-1]
    return np.asarray(mdplab.exact.rational(task.span) * mdplab.exact.sqrt(divergence / 2))
