"""Strategies: what each looks at in a frame, and how it turns what it saw into a choice.

A strategy is told about records and detector outputs only. Labels live with the oracle, which nothing in this
room may import.
"""
