"""What a user runs: sweep, refine, critical learning rate, halving, replay, sharpness, landscape."""
