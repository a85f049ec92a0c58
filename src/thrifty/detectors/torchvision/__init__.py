"""Detectors of torchvision: RetinaNet, FCOS, SSD, SSDlite and Faster R-CNN, one file for each kind of head."""
