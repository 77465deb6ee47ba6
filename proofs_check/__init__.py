"""The catalogue of claims: published statements, each checked by two routes, and the command line that runs them."""
