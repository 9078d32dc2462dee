"""`make bench`: speed as ratios to peers, measured in one run on this machine."""
