"""A Core ML export as anybody would write it: ``python plain_coreml.py FOLDER``. What `export_time` compares with."""

import sys

import coremltools as ct
import torch

import cloformer

torch.manual_seed(0)
model = cloformer.create_model("cloformer_xxs").eval()
program = torch.export.export(model, (torch.zeros(1, 3, 224, 224),)).run_decompositions({})
package = ct.convert(
    program, minimum_deployment_target=ct.target.iOS16, compute_precision=ct.precision.FLOAT16
)
package.save(f"{sys.argv[1]}/plain.mlpackage")
