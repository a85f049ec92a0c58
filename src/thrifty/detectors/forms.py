"""How a detector is named on the command line; apart from what makes one, so that asking for help loads no framework."""

FORMS = (
    "paper:FILE.safetensors, onnx:FILE.onnx, torchvision:NAME, torchvision:NAME@FILE, yolo:FILE.pt, "
    "hf:FOLDER, hf:ORG/NAME, maps:FOLDER, or package.module:factory"
)
