"""How an older database of runs becomes one of today: a module of ``versions`` for each step."""
