r"""Models as Gymnasium environments, so that any agent can be trained on any model.

Observations and actions are the numbers of states and actions.  An episode is *terminated* on entering an absorbing state
without reward (every available action stays and pays nothing): nothing can follow.  A finite-horizon model terminates
after its last stage, whose terminal reward is paid with the last step.

*The discount.*  An environment has none; the agent brings its own.  With ``end_by_discount=True`` every step ends the
episode with probability one minus the discount: the expected *sum* of rewards is then the discounted value.

*Seeds.*  All draws come from the environment's own generator, which ``reset(seed=...)`` seeds as Gymnasium prescribes:
the same seed and actions give the same episode, and a reset without seed goes on.
"""

from __future__ import annotations

from functools import cache
from types import new_class
from typing import Any

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.models import _validate as v
from mdplab.models.sampling import RowSampler

__all__ = ["absorbing_states", "as_gymnasium"]


def absorbing_states(mdp: MDP) -> BoolArray:
    """States in which every available action stays for sure and pays nothing.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR.

    Returns
    -------
    ndarray of bool (S,)
    """
    states = np.arange(mdp.n_states)
    if mdp.is_sparse:
        kernel = mdp.transition
        rows = np.repeat(np.arange(kernel.shape[0]), np.diff(kernel.indptr))
        leaves = (kernel.data != 0.0) & (kernel.indices != rows // mdp.n_actions)
        moves = np.bincount(rows[leaves], minlength=kernel.shape[0]).reshape(mdp.reward.shape) > 0
    else:
        inside = mdp.transition[states, :, states] != 0.0
        moves = np.count_nonzero(mdp.transition, axis=2) > inside
    busy = moves | (mdp.reward != 0.0)
    if mdp.available is not None:
        busy &= mdp.available
    result: BoolArray = ~busy.any(axis=1)
    return result


def as_gymnasium(
    mdp: MDP | FiniteHorizonMDP, *, max_steps: int | None = None, end_by_discount: bool = False
) -> Any:
    """Make a Gymnasium environment of a model.

    Parameters
    ----------
    mdp : MDP or FiniteHorizonMDP
        With a start law.
    max_steps : int, optional
        Truncate episodes after so many steps.
    end_by_discount : bool, default False
        Terminate after every step with probability one minus the discount.

    Returns
    -------
    gymnasium.Env
        Spaces ``Discrete(S)`` and ``Discrete(A)``; rewards are the expected rewards ``R[s, a]``.  ``info`` holds
        ``action_mask`` (int8, of the state reached; zeros after the last stage) where the model has a mask, ``stage``
        with a finite horizon, and ``state_name`` where states have names.  ``reset(options={"state": s})`` starts in a
        state.

    Raises
    ------
    ImportError
        If Gymnasium is not installed.
    ValueError
        If the model has no start law or ``max_steps`` is below 1; in ``step``, if an action is unavailable.
    """
    if not isinstance(mdp, (MDP, FiniteHorizonMDP)):
        raise ValueError(f"mdp is a {type(mdp).__name__}, expected an MDP or a FiniteHorizonMDP")
    mdp.start_law()
    return _environment_class()(mdp, max_steps=max_steps, end_by_discount=end_by_discount)


@cache
def _environment_class() -> Any:
    """The environment as a subclass of ``gymnasium.Env``, which is imported here and nowhere else."""
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError("as_gymnasium needs Gymnasium: install mdplab[gymnasium]") from error
    kind = new_class("TabularEnvironment", (_Dynamics, gymnasium.Env))
    kind.__module__, kind.__qualname__, kind.__doc__ = __name__, "TabularEnvironment", _Dynamics.__doc__
    return kind


def __getattr__(name: str) -> Any:
    """``TabularEnvironment`` on first use, so that environments pickle."""
    if name == "TabularEnvironment":
        return _environment_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Dynamics:
    """A model as a Gymnasium environment; made by :func:`as_gymnasium`."""

    np_random: np.random.Generator
    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own declaration
    render_mode: str | None = None

    def __init__(self, mdp: Any, *, max_steps: int | None = None, end_by_discount: bool = False) -> None:
        from gymnasium import spaces

        self.mdp = mdp
        self.max_steps = None if max_steps is None else v.count("max_steps", max_steps)
        self.end_by_discount = bool(end_by_discount)
        self.observation_space = spaces.Discrete(mdp.n_states)
        self.action_space = spaces.Discrete(mdp.n_actions)
        self._horizon = mdp.horizon if isinstance(mdp, FiniteHorizonMDP) else None
        self._draw_state = RowSampler(mdp.transition)
        self._draw_start = RowSampler(mdp.start_law()[np.newaxis])
        self._final = absorbing_states(mdp) if self._horizon is None else np.zeros(mdp.n_states, dtype=bool)
        self._state: int | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """Start an episode; see :func:`as_gymnasium`."""
        parent: Any = super()
        parent.reset(seed=seed)
        if options and "state" in options:
            state = int(options["state"])
            if not 0 <= state < self.mdp.n_states:
                raise ValueError(f"options: state {state} is not one of 0 to {self.mdp.n_states - 1}")
        else:
            state = self._draw(self._draw_start, 0)
        self._state, self._steps = state, 0
        return np.int64(state), self._info()

    def step(self, action: int) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        """Take an action; see :func:`as_gymnasium`."""
        mdp, state, stage = self.mdp, self._state, self._steps
        if state is None:
            raise ValueError("step was called before reset or after the end of an episode")
        mask = self._mask()
        if not 0 <= action < mdp.n_actions or (mask is not None and not mask[state, action]):
            where = mdp.names.place(("state",), (state,))
            raise ValueError(f"action {action!r} is not available in {where}")
        pair = state * mdp.n_actions + int(action)
        reward: FloatArray = mdp.reward[stage] if mdp.reward.ndim == 3 else mdp.reward
        gain = float(reward.flat[pair])
        staged = getattr(mdp.transition, "ndim", 2) == 4
        following = self._draw(self._draw_state, pair + (stage * reward.size if staged else 0))
        self._steps += 1
        terminated = bool(self._final[following])
        if self._horizon is not None and self._steps == self._horizon:
            gain += mdp.discount * float(mdp.terminal[following])
            terminated = True
        elif self.end_by_discount and self.np_random.random() >= mdp.discount:
            terminated = True
        truncated = not terminated and self._steps == self.max_steps
        self._state = following
        info = self._info()
        if terminated or truncated:
            self._state = None
        return np.int64(following), gain, terminated, truncated, info

    def _draw(self, sampler: RowSampler, row: int) -> int:
        return int(sampler(np.array([row]), np.array([self.np_random.random()]))[0])

    def _mask(self) -> BoolArray | None:
        """The mask ``(S, A)`` of the next step; nothing is available after the last stage."""
        mask: BoolArray | None = self.mdp.available
        if mask is None or self._horizon is None:
            return mask
        if self._steps == self._horizon:
            return np.zeros(mask.shape[-2:], dtype=bool)
        stage: BoolArray = self.mdp.stage_available(self._steps)
        return stage

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {}
        mask = self._mask()
        if mask is not None:
            info["action_mask"] = mask[self._state].astype(np.int8)
        if self._horizon is not None:
            info["stage"] = self._steps
        if self.mdp.state_names is not None:
            info["state_name"] = self.mdp.state_names[self._state]
        return info
