"""The Core ML format: its row, exporter, list of passes and runners."""
