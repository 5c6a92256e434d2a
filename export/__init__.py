"""The toolchain: trace, passes, formats, runners, artifacts. Imports no framework by itself."""
