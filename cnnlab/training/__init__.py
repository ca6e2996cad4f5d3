"""How a network learns: the recipe, the optimizer, and the loop as a generator of events."""
