"""How good a detector is: which detections hit, and what share of the objects is missed at which price."""
