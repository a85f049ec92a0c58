"""Whoever draws the boxes: `submit` sends records out, `collect` brings labels back."""
