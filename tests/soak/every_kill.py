"""`kill -9` at every point of an order's way to Alpaca's stub, each with every fault (tests/faults/test_kill_matrix.py: some)."""

from pathlib import Path

import pytest

from tests.faults.holding_stub import HoldingStub
from tests.faults.test_kill_matrix import FAULTS, PLACES, copied, require_one_order_after_a_kill, seeded, stub

__all__ = ["seeded", "stub"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", PLACES)
def test_a_kill_leaves_one_order_after_a_restart(
    point: str, fault: str, seeded: dict[str, Path], stub: HoldingStub, tmp_path: Path
) -> None:
    require_one_order_after_a_kill(point, fault, copied(seeded, "alpaca", tmp_path, stub.url), stub)
