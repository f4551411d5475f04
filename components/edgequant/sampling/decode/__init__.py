"""From features to model inputs and labels."""
