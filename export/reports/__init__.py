"""What people, CI and other programs are told, by subject; :mod:.shared is what pages have in common."""
