"""Token trees: sequences of a fixed length as an undiscounted model whose states are the tokens so far."""

from __future__ import annotations

import numpy as np

from mdplab.models import FiniteHorizonMDP

__all__ = ["token_tree"]

_MOST_STATES = 2000


def token_tree(n_tokens: int, length: int) -> FiniteHorizonMDP:
    """The tree of all sequences of tokens.

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary A, at least 1.
    length : int
        Number of tokens H of a sequence, at least 1.

    Returns
    -------
    FiniteHorizonMDP
        Undiscounted and deterministic, rewards 0, starts at state 0.  States are the ``1 + A + ... + A**H`` prefixes by
        length and then in lexicographic order: token ``a`` leads from state ``s`` to ``A s + 1 + a``; whole sequences
        stay.  A policy ``(S, A)`` is the next-token law of a language model.

    Raises
    ------
    ValueError
        If a size is less than one, or there are more than 2000 states.

    Examples
    --------
    >>> token_tree(2, 3).n_states
    15
    """
    for name, size in (("n_tokens", n_tokens), ("length", length)):
        if type(size) is not int or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1; got {size!r}")
    inner = sum(n_tokens**h for h in range(length)) if length <= _MOST_STATES else _MOST_STATES
    n_states = n_tokens * inner + 1
    if n_states > _MOST_STATES:
        raise ValueError(
            f"n_tokens = {n_tokens}, length = {length}: the tree has more than {_MOST_STATES} states"
        )
    kernel = np.zeros((n_states, n_tokens, n_states))
    states, tokens = np.arange(inner)[:, np.newaxis], np.arange(n_tokens)
    kernel[states, tokens, n_tokens * states + 1 + tokens] = 1.0
    whole = np.arange(inner, n_states)
    kernel[whole, :, whole] = 1.0
    return FiniteHorizonMDP(kernel, np.zeros((n_states, n_tokens)), length, initial=np.eye(n_states)[0])
