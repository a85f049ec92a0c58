"""How a detector is named on the command line; apart from what makes one, so that asking for help loads no framework."""

FORMS = (
    "trained:FILE, paper:FILE, onnx:FILE, yolo:FILE, torchvision:NAME (or NAME@FILE), hf:FOLDER, hf:ORG/NAME, "
    "maps:FOLDER, boxes:FILE, or MODULE:FACTORY"
)
