"""The JavaScript of the web bundle beside Python: see ``cases.mjs``."""
