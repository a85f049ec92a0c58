"""Frames and what people drew on them: stills, video, annotation files, augmentation, the rendered street."""
