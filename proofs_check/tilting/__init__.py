"""Claims about tilted distributions: conditional sampling, reward weighting, masks and shaping."""
