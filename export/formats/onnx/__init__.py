"""The ONNX format: its row, exporter, list of passes and runner."""
