"""thrifty finds the frames worth labelling: active learning for deep object detectors."""

__version__ = "0.1.0"
