"""Artifacts side by side, by what reports say of them, and which of them another dominates."""
