"""Where the time goes, by operator and by module: as text, a page and plots."""
