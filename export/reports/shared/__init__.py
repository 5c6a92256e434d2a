"""What the reports of several subjects are made of; it knows no subject."""
