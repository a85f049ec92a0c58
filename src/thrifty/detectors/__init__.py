"""Detectors: the contract they keep, and the paper's network with its targets, loss and decoding."""
