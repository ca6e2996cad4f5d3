"""Searches: what may vary in a network, who proposes what to try, and what came of it (Optuna beside plain luck)."""

from cnnlab.search.asked import Search, SearchSpec, Trial, trial_word
from cnnlab.search.front import best_so_far, front, pairs_won, standard_error
from cnnlab.search.space import Choice, SearchError, Space

__all__ = [
    "Choice", "Search", "SearchError", "SearchSpec", "Space", "Trial", "best_so_far", "front", "pairs_won", "standard_error",
    "trial_word",
]  # fmt: skip
