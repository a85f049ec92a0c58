"""Files of detections, read for a data set whose images they speak of."""
