"""Hostile and odd inputs for every command that reads one."""
