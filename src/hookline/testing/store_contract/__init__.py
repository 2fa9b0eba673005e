"""What every store must do, as tests.

Subclass `StoreContract` in a test module and say how the workers of one fresh database are made::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def workers(self, contract_clock):
            workers = MyWorkers(contract_clock)
            yield workers
            workers.close()

Every test runs twice: its units one by one, and all in one group. `compare` holds a Hypothesis
state machine that gives two stores the same random units and wants the same answers and reads.
"""

from __future__ import annotations

from .gatherings import GatheringsContract
from .intake import IntakeContract
from .kit import ContractClock, Workers
from .limits import LimitsContract
from .lists import ListsContract
from .mentions import MentionsContract
from .money import MoneyContract
from .retention import RetentionContract
from .runs import RunsContract
from .waiting import WaitingContract
from .workers import WorkersContract

__all__ = ["ContractClock", "StoreContract", "Workers"]


class StoreContract(
    MentionsContract,
    IntakeContract,
    GatheringsContract,
    RunsContract,
    WaitingContract,
    LimitsContract,
    ListsContract,
    MoneyContract,
    RetentionContract,
    WorkersContract,
):
    """All of it."""
