"""The data sets of the lab: what there is, where it comes from, and a split as one resident tensor."""
