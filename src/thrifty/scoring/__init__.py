"""From class maps to one number per frame: how much the detector contradicts itself between neighbouring pixels.

`divergence` gives a score to every pixel (equations 1 to 4), `regions` one to every frame (equation 5), and
`smoothing` steadies frame scores along a video (equation 6). Nothing here knows a network, a label or a file.
"""
