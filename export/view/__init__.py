"""The graph of a written file as a picture: its operators laid out, with what is known of each."""
