"""What scoring costs, as ratios taken side by side in one process. Run `make bench`."""
