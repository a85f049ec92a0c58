"""The score as one pass over the maps, in languages that compile: Numba for the CPU, Triton for a GPU."""
