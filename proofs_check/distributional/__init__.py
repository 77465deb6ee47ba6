"""Laws of returns, conditioning on the return, and policy evaluation in continuous time."""
