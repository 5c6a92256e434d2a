"""Cases of Apple's operator tests that do not pass on the reference runtime, each with its reason.

A case is meant if its name holds all parts of a key.
"""

from __future__ import annotations

KNOWN_FAILURES: dict[tuple[str, ...], str] = {
    ("iOS14/test_activation.py::TestPReLU", "rank=3", "alpha_values=[1.0, 2.0, 3.0]"): (
        "coremltools does not convert it: for a rank of 3, prelu takes one slope for all channels. Apple's test "
        "expects this failure."
    ),
    ("iOS14/test_activation.py::TestPReLU", "rank=5", "alpha_values=[1.0, 2.0, 3.0]"): (
        "coremltools does not convert it: for a rank of 5, prelu takes one slope for all channels. Apple's test "
        "expects this failure."
    ),
    (
        "iOS14/test_image_resizing.py::TestUpsampleBilinear",
        "scale_factor=(0.5, 0.75)-align_corners=False-recompute_scale_factor=False",
    ): (
        "The specification of upsample_bilinear says that scales are recomputed from the size of the output, as "
        "the runtime does; the expected values are torch's without that. Apple's test expects this failure."
    ),
    ("iOS15/test_image_resizing.py::TestCropResize::test_builder_to_backend_smoke",): (
        "The only example of UNALIGN_CORNERS in crop_resize has a box from 2 to 1 where the specification asks "
        "for coordinates between 0 and 1, and expects the whole image, whatever the box. What the mode does to "
        "a box is therefore not known, and the runtime refuses it."
    ),
    ("iOS18/test_tensor_transformation.py::TestSliceUpdate::test_builder_eval_scalar_corner_cases",): (
        "coremltools does not build it: slice_update takes no update without axes. Apple's test expects this "
        "failure."
    ),
}
