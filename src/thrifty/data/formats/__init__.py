"""Annotation formats: one module each, behind `catalogue`."""
