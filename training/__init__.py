"""The training program: recipes, data, optimisation, evaluation."""
