"""Processes killed at random moments, and what comes of it."""
