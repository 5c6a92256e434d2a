"""The Android project checked without Android, Gradle or a phone: ``make android-checks``.

Every line of it is compiled by the real Kotlin compiler, the model runs in ONNX Runtime's real library for Android,
and an app is shrunk, packed, aligned and signed. What stays for a phone: Android's own decoders, camera and screen.
"""
