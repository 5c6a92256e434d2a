"""Which numbers a model's values take on images, and the steps that represent them best in 8 bits."""
