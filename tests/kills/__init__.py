"""Commands that are killed at a step of theirs, and commands whose disk fills up: nothing is lost, nothing is half-written.

``python -m kills`` runs all of it; ``--only NAME`` one command's.
"""
