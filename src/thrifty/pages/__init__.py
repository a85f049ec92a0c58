"""Pages for one project: where it stands, the chosen frames, and a place to label them."""
