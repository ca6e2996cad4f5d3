"""How large a network may be that is built, trained or run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.errors import BudgetError

if TYPE_CHECKING:
    from cnnlab.architecture.network import Architecture


@dataclass(frozen=True)
class Budget:
    """How large a network may be that is built or trained; describing one of any size is free.

    Attributes:
        max_params: parameters.
        max_activation_bytes: float32 activations of all layers for one batch.
    """

    max_params: int = 50_000_000
    max_activation_bytes: int = 4_000_000_000

    def check(self, architecture: Architecture, batch_size: int = 1) -> None:
        """Refuse a network above this budget, before anything is allocated.

        Raises:
            BudgetError: too many parameters, or too much activation memory at ``batch_size``.
            ShapeError, ArchitectureError: the network cannot run at all.
        """
        architecture.check()
        trace = architecture.trace()
        if trace.num_params > self.max_params:
            raise BudgetError(
                "this network has {count:,} parameters; {limit:,} at most are built here; make its widest layers narrower",
                count=trace.num_params,
                limit=self.max_params,
            )
        needed = 4 * batch_size * trace.activation_elements
        if needed > self.max_activation_bytes:
            raise BudgetError(
                "at batch size {batch} this network's activations take {need} MB; {limit} MB at most are used here; "
                "use a batch size of {works} or less",
                batch=batch_size,
                need=needed // 1_000_000,
                limit=self.max_activation_bytes // 1_000_000,
                works=self.max_activation_bytes // (4 * trace.activation_elements),
            )


DEFAULT_BUDGET = Budget()


def check_budget(architecture: Architecture, batch_size: int = 1, budget: Budget = DEFAULT_BUDGET) -> None:
    """Raise unless ``architecture`` can run and stays within ``budget`` at ``batch_size``; see :class:`Budget`."""
    budget.check(architecture, batch_size)
