"""Page-turning videos, rendered. Imports nothing of the rest."""
