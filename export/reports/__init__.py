"""What people, CI and other programs are given to read, a folder for each subject; :mod:`.shared` is what they are made of."""
