"""The pages of the lab: one file each, and ``_`` modules that they share."""
