"""Names that mean something to those who compare strategies; kept apart, so that reading a table loads no network."""

REFERENCES = ("guided-random", "random")
"""What others are compared with, the first that is in a run."""

WHOLE_POOL = "whole-pool"
"""The ceiling: no rival, but what all labels together would buy."""
