"""What the loss on the validation set decides: a smaller learning rate, an early end, which weights are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cnnlab.training.recipe import Recipe


class Watch(BaseModel):
    """The smallest loss so far, and how many looks ago it was seen. Frozen; ``after`` returns the next one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    best: float | None = None
    waited: Annotated[int, Field(ge=0)] = 0

    def after(self, loss: float, margin: float = 0.0) -> Watch:
        """Return the watch after a look that found ``loss``.

        Better is what is below ``best * (1 - margin)``; a loss that is no number never is.
        """
        if loss < float("inf") and (self.best is None or loss < self.best * (1 - margin)):
            return Watch(best=loss)
        return Watch(best=self.best, waited=self.waited + 1)


class Verdict(BaseModel):
    """What the looks at the whole validation set, one after each epoch, have decided so far.

    Attributes:
        scale: what the learning rate is multiplied by (schedule ``reduce_on_plateau``).
        best_step: after which step the loss was smallest (early stopping).
        ended: the run ends before its time.
        plateau, early: what the two wait for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: float = Field(1.0, gt=0, le=1)
    best_step: int | None = Field(None, ge=0)
    ended: bool = False
    plateau: Watch = Watch()
    early: Watch = Watch()

    def after(self, loss: float, step: int, recipe: Recipe) -> Verdict:
        """Return the verdict after a look that found ``loss`` on the whole validation set.

        reduce_on_plateau   after more than ``plateau_patience`` looks in a row that bring no loss below
                            best * (1 - 1e-4), the learning rate is multiplied by ``plateau_factor``
        early_stopping      after that many looks in a row without a smaller loss the run ends; best_step is the step
                            of the smallest one

        Source: the first is torch.optim.lr_scheduler.ReduceLROnPlateau with its defaults; the second after
        Prechelt 1998, "Early Stopping - But When?".
        """
        plateau, scale, early, best_step = self.plateau, self.scale, self.early, self.best_step
        if recipe.schedule == "reduce_on_plateau":
            plateau = plateau.after(loss, margin=_MARGIN)
            if plateau.waited > recipe.plateau_patience:
                plateau = Watch(best=plateau.best)
                scale = max(scale * recipe.plateau_factor, _SMALLEST)
        if recipe.early_stopping:
            early = early.after(loss)
            best_step = step if early.waited == 0 else best_step
        ended = bool(recipe.early_stopping) and early.waited >= recipe.early_stopping
        return Verdict(scale=scale, best_step=best_step, ended=ended, plateau=plateau, early=early)

    def carried(self, before: Recipe, after: Recipe) -> Verdict:
        """Return what a branch with the recipe ``after`` takes over from a run with ``before``; it has not ended."""
        stuck = before.schedule == after.schedule == "reduce_on_plateau"
        early = bool(before.early_stopping and after.early_stopping)
        return Verdict(
            scale=self.scale if stuck else 1.0,
            plateau=self.plateau if stuck else Watch(),
            best_step=self.best_step if early else None,
            early=self.early if early else Watch(),
        )


_MARGIN = 1e-4
_SMALLEST = 1e-8
