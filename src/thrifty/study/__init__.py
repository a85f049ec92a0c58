"""Recipes run to the end: shared splits, start weights and seeds, and the figures that come out."""
