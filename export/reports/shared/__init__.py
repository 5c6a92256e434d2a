"""What every report is written with."""
