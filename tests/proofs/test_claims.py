"""Every registered claim passes the suite: complete, each part can fail, routes are independent."""

from __future__ import annotations

import pytest

from mdplab.claims import Claim, records
from mdplab.testing import check_claim

CLAIMS = [record for record in records().values() if isinstance(record, Claim)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_claim_keeps_what_the_suite_asks(claim: Claim) -> None:
    check_claim(claim)
