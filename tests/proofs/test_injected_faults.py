"""One fault at a time inside the functions that claims stand on: which claims see it.

The tables are in `tests/faults`.  A fault replaces a function in every module that holds it, so that both routes of a
claim have it where they share it: a claim is only listed if it is then still violated.
"""

from __future__ import annotations

import pytest

from faults import certificates, control, evaluation, laws
from injection import Fault, assert_seen, inject
from mdplab.claims import registry

FAULTS = [*control.FAULTS, *evaluation.FAULTS, *laws.FAULTS, *certificates.FAULTS]
ONLY_BY_A_NUMBER = (*control.ONLY_BY_A_NUMBER, *evaluation.ONLY_BY_A_NUMBER)


@pytest.mark.parametrize(
    ("module", "name", "fault", "victims"),
    FAULTS,
    ids=[f"{module.rsplit('.', 1)[1]}.{name}-{fault.__name__}" for module, name, fault, _ in FAULTS],
)
def test_a_fault_inside_a_function_is_seen(
    module: str,
    name: str,
    fault: Fault,
    victims: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry.load()  # the claims hold the functions by name
    inject(monkeypatch, module, name, fault, only_there=name.endswith("bonus"))
    assert_seen(victims, capsys, by_known_values=fault in ONLY_BY_A_NUMBER)
