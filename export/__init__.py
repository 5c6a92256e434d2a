"""The toolchain: trace, passes, formats, runners, artifacts. Imports no framework by itself."""

import os

# onnxruntime from 1.29 on reports telemetry unless this is set before it is loaded, by whomever.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
