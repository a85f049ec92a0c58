"""The page of a run: one HTML file that shows what was chosen, what it cost, and what it brought.

`content` is what there is to show, as plain values. `summary` turns its points into means and ranges, and
`verdict` says them in words. `figures` draws the curves and `inline` fits them into the page; `pictures` turns
frames and score maps into inline images; `gallery` arranges frames in cards; `page` puts everything into the
template and writes the file. The page asks the network for nothing: styles, charts and pictures are all in
it, and it carries no script.
"""
