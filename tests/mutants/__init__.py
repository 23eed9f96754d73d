"""The isolation mutation score: every marked check is taken out of a copy of the tree, and a test must notice."""
