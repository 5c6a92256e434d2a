"""ONNX Runtime's build for browsers, as it is published: which of its files a page needs, and their hashes.

``ort.wasm.min.mjs`` runs a model by WebAssembly, in one thread or several, and loads ``ort-wasm-simd-threaded``;
``ort.webgpu.min.mjs`` has WebGPU besides, and loads the larger ``ort-wasm-simd-threaded.asyncify``, which works in every browser
that has WebGPU. A page loads one of the two pairs.
"""

from __future__ import annotations

from .npm_files import NpmFiles

__all__ = ["ONNXRUNTIME_WEB"]

ONNXRUNTIME_WEB = NpmFiles(
    "ONNX Runtime Web",
    "onnxruntime-web",
    "1.30.0",
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    "package/dist",
    {
        "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
        "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
        "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
        "ort-wasm-simd-threaded.asyncify.mjs": "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
        "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    },
)
