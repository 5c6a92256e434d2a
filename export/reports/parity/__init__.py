"""How near an artifact is to its model: as text, a page, JUnit, GitHub annotations."""
