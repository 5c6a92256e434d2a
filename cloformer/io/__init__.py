"""The one door for what comes from outside and what is written there: files, folders, and words."""
