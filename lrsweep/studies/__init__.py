"""The verbs: sweep, refine, critical learning rate, halving, replay, sharpness, landscape."""
