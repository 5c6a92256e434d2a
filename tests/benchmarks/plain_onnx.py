"""An ONNX export as anybody would write it: ``python plain_onnx.py FOLDER``. What `export_time` compares with."""

import sys

import torch

import cloformer

torch.manual_seed(0)
model = cloformer.create_model("cloformer_xxs").eval()
image = torch.zeros(1, 3, 224, 224)
torch.onnx.export(model, (image,), f"{sys.argv[1]}/plain.onnx", dynamo=True, opset_version=20)
