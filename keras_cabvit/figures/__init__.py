"""Style that all pictures share; its modules import matplotlib, and `names` alone does not."""
