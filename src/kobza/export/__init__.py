"""Ways out of Kobza: a checkpoint to the Hub with its card, the towers to ONNX."""
